package installer_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/kubetest"
	"github.com/multihome/multihome/multus"
)

// TestCutAnywhere ends an install and an upgrade after each of their requests
// in turn. A second install must end where an undisturbed one does.
func TestCutAnywhere(t *testing.T) {
	fresh(t)
	quiet, _ := newClient(t, server.Config())
	config := multus.Config{Platform: flannel}
	for _, scene := range []struct {
		name    string
		prepare func()
	}{
		{"first install", func() {}},
		{"upgrade", func() {
			install(t, quiet, multus.Config{Version: "v4.0.2", Platform: multus.Platform{Architectures: []string{"amd64"}}}, multus.InstallOptions{NoWait: true})
		}},
	} {
		t.Run(scene.name, func(t *testing.T) {
			scene.prepare()
			install(t, quiet, config, multus.InstallOptions{NoWait: true})
			want := contents(objects(t, quiet, config))
			for cut := 1; ; cut++ {
				if err := server.Reset(t.Context()); err != nil {
					t.Fatal(err)
				}
				scene.prepare()
				finished, err := cutAfter(t, cut, func(ctx context.Context, c client.Client) error {
					_, err := newInstaller(t, c, config).Install(ctx, multus.InstallOptions{NoWait: true})
					return err
				})
				if finished {
					if err != nil {
						t.Fatalf("undisturbed: %v", err)
					}
					t.Logf("cut after each of %d requests", cut-1)
					return
				}
				install(t, quiet, config, multus.InstallOptions{NoWait: true})
				if diff := cmp.Diff(want, contents(objects(t, quiet, config))); diff != "" {
					t.Errorf("cut after request %d and installed again (-want +got):\n%s", cut, diff)
				}
			}
		})
	}
}

// cutAfter ends what do does after a number of requests. It reports whether do
// had finished by then.
func cutAfter(t *testing.T, cut int, do func(context.Context, client.Client) error) (finished bool, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent atomic.Int64
	restConfig := server.Config()
	restConfig.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if isObjectRequest(r) && sent.Add(1) == int64(cut) {
				cancel()
			}
			return response, err
		})
	})
	c, _ := newClient(t, restConfig)
	err = do(ctx, c)
	return sent.Load() < int64(cut), err
}

func isObjectRequest(r *http.Request) bool {
	var record kubetest.Record
	_, _ = record.Wrap(roundTripper(func(*http.Request) (*http.Response, error) { return nil, http.ErrHandlerTimeout })).RoundTrip(r)
	return !record.Requests(nil)[0].IsDiscovery()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAPIServerGoesAndComesBack kills the API server while nodes roll: the
// install must outlast it.
func TestAPIServerGoesAndComesBack(t *testing.T) {
	own := kubetest.New(t, kubetest.Options{Controllers: true})
	if err := own.AddNodes(t.Context(), threeNodes()...); err != nil {
		t.Fatal(err)
	}
	c, _ := newClient(t, own.Config())
	old := multus.Config{Platform: flannel, Version: "v4.2.4"}
	own.StartKubelets(t, kubetest.KubeletOptions{Delay: 500 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := newInstaller(t, c, old).Install(ctx, multus.InstallOptions{}); err != nil {
		t.Fatal(err)
	}

	var waited, readyAfter int
	back := false
	_, err := newInstaller(t, c, multus.Config{Platform: flannel}).Install(ctx, multus.InstallOptions{Progress: func(e multus.Event) {
		switch e.Type {
		case multus.EventNodeReady:
			if back {
				readyAfter++
				return
			}
			own.StopAPIServer()
			go func() {
				time.Sleep(2 * time.Second)
				if err := own.StartAPIServer(ctx); err != nil {
					t.Error(err)
				}
			}()
			back = true
		case multus.EventWaiting:
			waited++
			t.Log(e)
		default:
		}
	}})
	if err != nil {
		t.Fatalf("install: %v", err)
	}
	if waited == 0 || readyAfter != 2 {
		t.Errorf("%d events told of waiting and %d nodes became ready afterwards, want some and 2", waited, readyAfter)
	}
	mustBeHealthy(t, c, multus.Config{Platform: flannel})
}
