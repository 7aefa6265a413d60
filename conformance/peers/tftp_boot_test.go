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

// greeting is what the program that is booted writes to the serial port.
const greeting = "booted from burrow\r\n"

// bootProgram is a network bootstrap program: what firmware loads to 0000:7C00
// and runs. It writes the greeting to the first serial port and ends the
// machine through QEMU's isa-debug-exit, with status 33.
func bootProgram() []byte {
	code := []byte{
		0x31, 0xC0, 0x8E, 0xD8, // ds = 0
		0xBE, 0x1B, 0x7C, //       si = the greeting
		0xAC,       //             next: al = [si++]
		0x84, 0xC0, //             is it 0?
		0x74, 0x06, //             then go to end
		0xBA, 0xF8, 0x03, //       dx = COM1
		0xEE,       //             out dx, al
		0xEB, 0xF5, //             go to next
		0xBA, 0xF4, 0x00, //       end: dx = isa-debug-exit
		0xB0, 0x10, //             al = 16: status 2*16+1
		0xEE,       //             out dx, al
		0xF4,       //             hlt
		0xEB, 0xFD, //             again
	}
	return append(append(code, greeting...), make([]byte, 8<<10)...) // of several blocks
}

// TestTFTPBoots has a machine boot over the network: iPXE as its firmware, DHCP
// from dnsmasq, the program from burrow tftp serve, in a network namespace.
func TestTFTPBoots(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("network namespaces are for root only")
		}
		t.Skip("network namespaces are for root only")
	}
	ip, dnsmasq, qemu := program(t, "ip"), program(t, "dnsmasq"), program(t, "qemu-system-x86_64")
	dir := t.TempDir()
	write(t, dir, "boot.nbp", string(bootProgram()))
	binary := filepath.Join(t.TempDir(), "burrow")
	build := exec.Command("go", "build", "-o", binary, "./cmd/burrow")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	space := fmt.Sprint("burrow-", os.Getpid())
	run(t, nil, "ip", "netns", "add", space)
	t.Cleanup(func() { exec.Command(ip, "netns", "del", space).Run() })
	inside := func(args ...string) *exec.Cmd {
		return exec.Command(ip, append([]string{"netns", "exec", space}, args...)...)
	}
	for _, step := range []string{
		"link set lo up", "tuntap add dev tap0 mode tap", "addr add 192.168.77.1/24 dev tap0", "link set tap0 up",
	} {
		if out, err := inside(append([]string{ip}, strings.Fields(step)...)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", step, err, out)
		}
	}
	start(t, inside(dnsmasq, "--keep-in-foreground", "--port=0", "--interface=tap0", "--bind-interfaces",
		"--dhcp-range=192.168.77.100,192.168.77.200", "--dhcp-boot=boot.nbp,,192.168.77.1",
		"--conf-file=/dev/null", "--pid-file=", "--user=root", "--dhcp-leasefile="+filepath.Join(dir, ".leases")))
	server := inside(binary, "tftp", "serve", dir, "--json")
	records := &buffer{}
	server.Stdout = records
	start(t, server)

	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	args := []string{
		"netns", "exec", space, qemu, "-M", "pc,accel=tcg", "-m", "64", "-nographic", "-no-reboot", "-boot", "n",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=1",
		"-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no", "-device", "e1000,netdev=n",
	}
	machine := exec.CommandContext(ctx, ip, args...)
	machine.Cancel = func() error { return machine.Process.Signal(os.Interrupt) }
	machine.WaitDelay = 5 * time.Second
	console, err := machine.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 33 {
		t.Errorf("the machine ended with %v, want status 33", err)
	}
	if !bytes.Contains(console, []byte(greeting)) {
		t.Errorf("no %q on the serial console:\n%s", greeting, console)
	}
	if !strings.Contains(records.String(), `"file":"boot.nbp"`) || !strings.Contains(records.String(), `"result":"ok"`) {
		t.Errorf("the server's records:\n%s", records)
	}
}
