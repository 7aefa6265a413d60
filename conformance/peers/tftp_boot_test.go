package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// uefi is the firmware of Debian's package ovmf.
const uefi = "/usr/share/ovmf/OVMF.fd"

// TestBoots has machines boot over the network, in a namespace: DHCP from dnsmasq,
// as docs/tftp.md sets it up, and one folder that burrow tftp serve and burrow
// serve offer. What they boot says so on its serial port.
func TestBoots(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("network namespaces are for root only")
		}
		t.Skip("network namespaces are for root only")
	}
	r := newRoom(t)
	for _, tc := range []struct {
		name    string
		machine []string
		tftp    string // what it has to have fetched, by which of the two
		http    string
	}{
		{"BIOS, TFTP", bios("52:54:00:12:34:01"), "boot.nbp", ""},
		{"BIOS, HTTP", bios(viaHTTP), "", "boot.nbp"},
		{"UEFI, TFTP", efi(), "boot.efi", ""},
		{"UEFI, HTTP", efi(
			"-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=no", "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=no",
		), "", "boot.efi"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if strings.HasPrefix(tc.name, "UEFI") {
				firmware(t)
			}
			records, log := len(r.records.String()), len(r.log.String())
			r.boot(t, tc.machine)
			if got := r.records.String()[records:]; tc.tftp != "" {
				want := fmt.Sprintf(`"file":%q`, tc.tftp)
				if !strings.Contains(got, want) || !strings.Contains(got, `"result":"ok"`) {
					t.Errorf("the TFTP server's records, want %s and ok:\n%s", want, got)
				}
			} else if got != "" {
				t.Errorf("it came by TFTP:\n%s", got)
			}
			if got, want := r.log.String()[log:], fmt.Sprintf("GET /%s HTTP/1.1 200 ", tc.http); tc.http != "" && !strings.Contains(got, want) {
				t.Errorf("the HTTP server's log, want %s:\n%s", want, got)
			}
		})
	}
}

// firmware ends the test when the UEFI firmware is missing.
func firmware(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(uefi); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: run make peers", uefi)
	}
	t.Skipf("%s is not installed: run make peers", uefi)
}

// viaHTTP is the machine that gets a URL from DHCP though its firmware, iPXE, did
// not ask for one.
const viaHTTP = "52:54:00:12:34:02"

// bios is a machine whose network card brings iPXE along.
func bios(mac string) []string {
	return []string{"-M", "pc,accel=tcg", "-m", "64", "-boot", "n", "-device", "e1000,netdev=n,mac=" + mac}
}

// efi is a machine with nothing but the firmware's own drivers.
func efi(more ...string) []string {
	return append([]string{
		"-M", "q35,accel=tcg", "-m", "256", "-bios", uefi, "-device", "virtio-net-pci,netdev=n,romfile=,bootindex=1,mac=52:54:00:12:34:03",
	}, more...)
}

// room is a network with both servers and no machine yet.
type room struct {
	ip, qemu, space string
	records, log    *buffer // of the TFTP and of the HTTP server
}

func newRoom(t *testing.T) *room {
	t.Helper()
	dnsmasq := program(t, "dnsmasq")
	r := &room{
		ip: program(t, "ip"), qemu: program(t, "qemu-system-x86_64"), space: fmt.Sprint("burrow-", os.Getpid()),
		records: &buffer{}, log: &buffer{},
	}
	dir := t.TempDir()
	write(t, dir, "boot.nbp", string(biosProgram()))
	write(t, dir, "boot.efi", string(efiProgram()))
	binary := filepath.Join(t.TempDir(), "burrow")
	build := exec.Command("go", "build", "-o", binary, "./cmd/burrow")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run(t, nil, "ip", "netns", "add", r.space)
	t.Cleanup(func() { exec.Command(r.ip, "netns", "del", r.space).Run() })
	for _, step := range []string{
		"link set lo up", "tuntap add dev tap0 mode tap", "addr add 192.168.77.1/24 dev tap0", "link set tap0 up",
	} {
		if out, err := r.inside(append([]string{r.ip}, strings.Fields(step)...)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", step, err, out)
		}
	}
	conf := write(t, t.TempDir(), "conf", `port=0
interface=tap0
bind-interfaces
dhcp-range=192.168.77.100,192.168.77.200
dhcp-match=set:efi64,option:client-arch,7
dhcp-match=set:http64,option:client-arch,16
dhcp-boot=boot.nbp,,192.168.77.1
dhcp-boot=tag:efi64,boot.efi,,192.168.77.1
dhcp-boot=tag:http64,http://192.168.77.1:8080/boot.efi
dhcp-option-force=tag:http64,option:vendor-class,HTTPClient
dhcp-host=`+viaHTTP+`,set:url
dhcp-boot=tag:url,http://192.168.77.1:8080/boot.nbp
`)
	start(t, r.inside(dnsmasq, "--keep-in-foreground", "--conf-file="+conf, "--pid-file=", "--user=root", "--dhcp-leasefile="+filepath.Join(dir, ".leases")))
	server := r.inside(binary, "tftp", "serve", dir, "--json")
	server.Stdout = r.records
	start(t, server)
	server = r.inside(binary, "serve", dir, "--listen", "192.168.77.1:8080")
	server.Stderr = r.log
	start(t, server)
	return r
}

// inside is a command in the namespace.
func (r *room) inside(args ...string) *exec.Cmd {
	return exec.Command(r.ip, append([]string{"netns", "exec", r.space}, args...)...)
}

// boot runs a machine until what it booted ends it, and looks at its console.
func (r *room) boot(t *testing.T, args []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	args = append([]string{
		"netns", "exec", r.space, r.qemu, "-nographic", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
		"-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no",
	}, args...)
	machine := exec.CommandContext(ctx, r.ip, args...)
	machine.Cancel = func() error { return machine.Process.Signal(os.Interrupt) }
	machine.WaitDelay = 5 * time.Second
	console, err := machine.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 33 {
		t.Errorf("the machine ended with %v, want status 33", err)
	}
	if !bytes.Contains(console, []byte(greeting)) {
		t.Errorf("no %q on the serial console:\n%s", greeting, console)
	}
}
