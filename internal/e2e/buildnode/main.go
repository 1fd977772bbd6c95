// Buildnode builds the binary with the programs of a Kubernetes node, unless it is there, and prints its path:
//
//	$(go run ./buildnode) kube-apiserver --help
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/multihome/multihome/internal/e2e/kubetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	binary, err := kubetest.Binary(ctx, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "buildnode:", err)
		os.Exit(1)
	}
	fmt.Println(binary)
}
