// Podbox is the one program in the image of the lab's pods. Without arguments it waits to be ended, as a pause
// container does. Otherwise:
//
//	podbox network              prints a nodeapi.PodNetwork as JSON
//	podbox read FILE            prints a file, such as a setting below /proc/sys
//	podbox listen PORT          accepts TCP connections on all addresses and greets each
//	podbox connect HOST:PORT    connects and prints the greeting
package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "podbox:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 0:
		pause()
		return nil
	case len(args) == 1 && args[0] == "network":
		seen, err := network()
		return errors.Join(err, json.NewEncoder(os.Stdout).Encode(seen))
	case len(args) == 2 && args[0] == "read":
		content, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(content)
		return err
	case len(args) == 2 && args[0] == "listen":
		return listen(args[1])
	case len(args) == 2 && args[0] == "connect":
		return connect(args[1])
	}
	return errors.New("usage: podbox [network | read FILE | listen PORT | connect HOST:PORT]")
}

// pause waits to be ended and, as process 1, reaps.
func pause() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}

func network() (nodeapi.PodNetwork, error) {
	var out nodeapi.PodNetwork
	interfaces, err := net.Interfaces()
	if err != nil {
		return out, err
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			return out, err
		}
		seen := nodeapi.Interface{Name: i.Name, MAC: i.HardwareAddr.String(), MTU: i.MTU}
		for _, a := range addresses {
			seen.Addresses = append(seen.Addresses, a.String())
		}
		out.Interfaces = append(out.Interfaces, seen)
	}
	out.Routes, err = routes()
	return out, err
}

// routes reads /proc/net/route, which has addresses as hexadecimal numbers in the machine's byte order.
func routes() ([]nodeapi.Route, error) {
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil, err
	}
	var out []nodeapi.Route
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[0] == "Iface" {
			continue
		}
		destination, gateway, mask := address(fields[1]), address(fields[2]), address(fields[7])
		ones := bits.OnesCount32(binary.BigEndian.Uint32(mask.AsSlice()))
		route := nodeapi.Route{Interface: fields[0], Destination: netip.PrefixFrom(destination, ones).String()}
		if !gateway.IsUnspecified() {
			route.Gateway = gateway.String()
		}
		out = append(out, route)
	}
	return out, nil
}

func address(number string) netip.Addr {
	raw, err := hex.DecodeString(number)
	if err != nil || len(raw) != 4 {
		return netip.IPv4Unspecified()
	}
	// The text begins with the most significant digit.
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return netip.AddrFrom4([4]byte{raw[3], raw[2], raw[1], raw[0]})
	}
	return netip.AddrFrom4([4]byte(raw))
}

func listen(port string) error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(conn, "hello %s from %s\n", conn.RemoteAddr(), conn.LocalAddr())
		_ = conn.Close()
	}
}

func connect(to string) error {
	conn, err := net.DialTimeout("tcp", to, 3*time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, conn)
	return err
}
