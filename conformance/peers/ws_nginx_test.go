package peers

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/websocket"
)

// wsNginx starts nginx in front of a WebSocket server and returns its address.
func wsNginx(t *testing.T, upstream string) (addr string) {
	t.Helper()
	cmd := exec.Command(program(t, "nginx"))
	dir := t.TempDir()
	addr, socket := listener(t)
	user := "" // root's worker needs a name, or it becomes nobody
	if os.Getuid() == 0 {
		user = "user root;"
	}
	conf := write(t, dir, "nginx.conf", fmt.Sprintf(`
daemon off; worker_processes 1; %[4]s pid %[1]s/pid; error_log stderr error;
events { worker_connections 128; }
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	server {
		listen %[3]s;
		location / {
			proxy_pass http://%[2]s;
			proxy_http_version 1.1;
			proxy_set_header Host $http_host;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "upgrade";
			proxy_read_timeout 60s;
		}
	}
}
`, dir, upstream, addr, user))
	cmd.Args = append(cmd.Args, "-e", "stderr", "-c", conf)
	cmd.Env = append(os.Environ(), "NGINX=3;")
	cmd.ExtraFiles = []*os.File{socket}
	start(t, cmd)
	return addr
}

// TestWSNginx puts nginx between our client and our server.
func TestWSNginx(t *testing.T) {
	t.Parallel()
	for _, mode := range wsModes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			addr, closed := startWS(t, engine.DriverAuto, true, mode.deflate)
			front := wsNginx(t, addr)
			dial := func() *wsClient { return dialWS(t, front, false, mode.deflate) }
			c := dial()
			wsTalk(t, c, mode.deflate != nil)
			c.Close(websocket.StatusNormal, "")
			wantClosed(t, closed, "closed 1000")
			wsEnds(t, dial, closed)
		})
	}
}

// TestWSNginxForeign has npm's client go through nginx.
func TestWSNginxForeign(t *testing.T) {
	t.Parallel()
	addr, _ := startWS(t, engine.DriverAuto, true, wsModes[1].deflate)
	got := runWSClient(t, "ws_client.cjs", wsNginx(t, addr), "takeover")
	wantText(t, "what the client saw", got, wsCases("takeover")+"closed 1005\nclosed 1009\n")
}
