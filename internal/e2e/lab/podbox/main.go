// Podbox is the one program in the image of the lab's pods. Without arguments it waits to be ended, as a pause
// container does. Otherwise:
//
//	podbox network              prints a nodeapi.PodNetwork as JSON
//	podbox read FILE            prints a file, such as a setting below /proc/sys
//	podbox listen PORT          accepts TCP connections on all addresses, greets each and says it back what it says
//	podbox connect HOST:PORT    connects and prints the greeting
//	podbox talk HOST:PORT       connects once and talks, ten times a second; it ends when there is no answer
package main

import (
	"bufio"
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
	case len(args) == 2 && args[0] == "talk":
		return talk(args[1])
	}
	return errors.New("usage: podbox [network | read FILE | listen PORT | connect HOST:PORT | talk HOST:PORT]")
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
		go func() {
			defer func() { _ = conn.Close() }()
			_, _ = fmt.Fprintf(conn, "hello %s from %s\n", conn.RemoteAddr(), conn.LocalAddr())
			_, _ = io.Copy(conn, conn)
		}()
	}
}

func connect(to string) error {
	conn, _, err := dial(to)
	if err != nil {
		return err
	}
	return conn.Close()
}

// dial connects and prints the greeting.
func dial(to string) (net.Conn, *bufio.Reader, error) {
	conn, err := net.DialTimeout("tcp", to, 3*time.Second)
	if err != nil {
		return nil, nil, err
	}
	in := bufio.NewReader(conn)
	err = conn.SetDeadline(time.Now().Add(3 * time.Second))
	if err == nil {
		var greeting string
		greeting, err = in.ReadString('\n')
		_, _ = fmt.Print(greeting)
	}
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, in, nil
}

// talk says something all the time and ends with an error once there is no answer for long: TCP itself would wait
// for a quarter of an hour.
func talk(to string) error {
	const patience = 20 * time.Second
	conn, in, err := dial(to)
	for began := time.Now(); err != nil && time.Since(began) < patience; conn, in, err = dial(to) { // the other may not listen yet
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for range time.Tick(100 * time.Millisecond) {
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := io.WriteString(conn, "still there?\n"); err != nil {
			return err
		}
		if _, err := in.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}
