// Node is a whole Kubernetes node in one binary: etcd, the control plane, the kubelet and kube-proxy.
//
// Its first argument, or the name it is called by, says which program it is:
//
//	node kube-apiserver --etcd-servers=...
//
// One binary because the programs share nearly all their packages: together they take as long to compile as
// kube-apiserver and the kubelet alone. It is a module of its own so that Kubernetes' requirements stay out of
// everyone else's go.mod. For a new version of Kubernetes run `go run ./gomod v1.X.Y` in this directory.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs by name. A command is made only when it is run: they register the same flags and metrics.
var programs = map[string]func(args []string){
	"etcd":                    etcdmain.Main,
	"kube-apiserver":          run(apiserver.NewAPIServerCommand),
	"kube-controller-manager": run(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          run(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubelet":                 run(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"kube-proxy":              run(proxy.NewProxyCommand),
	"remove-after":            removeAfter,
}

func main() {
	args := os.Args
	if _, called := programs[filepath.Base(args[0])]; !called {
		args = args[1:]
	}
	if len(args) == 0 || programs[filepath.Base(args[0])] == nil {
		fmt.Fprintln(os.Stderr, "usage: node PROGRAM [flags]; see main.go for the programs")
		os.Exit(2)
	}
	programs[filepath.Base(args[0])](args)
}

func run(command func() *cobra.Command) func(args []string) {
	return func(args []string) {
		c := command()
		c.SetArgs(args[1:])
		os.Exit(cli.Run(c))
	}
}

// removeAfter removes the directory that is its argument once standard input ends, that is when whoever
// started it has closed the pipe or is gone, however it went.
func removeAfter(args []string) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	for range 100 { // again while programs that die at the same moment still write
		if os.RemoveAll(args[1]) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
