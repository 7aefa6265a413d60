package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"burrow": main,
		"fetch":  fetchMain,
	})
}

// TestScript runs testdata/script/*.txtar. Beside the usual commands they have
//
//	fetch ...       see fetchMain
//	freeport VAR    puts a port nobody listens on into VAR
//	takeport [-udp] VAR
//	                the same, and listens on it until the script ends
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("COLUMNS", "80")
			env.Setenv("ESC", "\x1b")
			// Under -race every process would otherwise wait a second to exit.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": func(ts *testscript.TestScript, _ bool, args []string) { listenPort(ts, args).Close() },
			"takeport": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) == 2 && args[0] == "-udp" {
					pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
					ts.Check(err)
					ts.Defer(func() { pc.Close() })
					ts.Setenv(args[1], strconv.Itoa(pc.LocalAddr().(*net.UDPAddr).Port))
					return
				}
				ln := listenPort(ts, args)
				ts.Defer(func() { ln.Close() })
			},
		},
	})
}

func listenPort(ts *testscript.TestScript, args []string) net.Listener {
	if len(args) != 1 {
		ts.Fatalf("usage: freeport|takeport VAR")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(ln.Addr().String())
	ts.Check(err)
	ts.Setenv(args[0], port)
	return ln
}
