package kubetest_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/e2e/kubetest"
)

type answer func(*http.Request) (*http.Response, error)

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func TestRecordVerbs(t *testing.T) {
	tests := []struct {
		name, method, url string
		want              string
		discovery         bool
		write             bool
	}{
		{"get", "GET", "/api/v1/nodes/a", "get /api/v1/nodes/a 200", false, false},
		{"list", "GET", "/api/v1/nodes?limit=500", "list /api/v1/nodes?limit=500 200", false, false},
		{
			"list in namespace", "GET", "/apis/apps/v1/namespaces/kube-system/daemonsets",
			"list /apis/apps/v1/namespaces/kube-system/daemonsets 200", false, false,
		},
		{
			"get in namespace", "GET", "/apis/apps/v1/namespaces/kube-system/daemonsets/multus",
			"get /apis/apps/v1/namespaces/kube-system/daemonsets/multus 200", false, false,
		},
		{"list namespaces", "GET", "/api/v1/namespaces", "list /api/v1/namespaces 200", false, false},
		{"get namespace", "GET", "/api/v1/namespaces/a", "get /api/v1/namespaces/a 200", false, false},
		{"get namespace status", "GET", "/api/v1/namespaces/a/status", "get /api/v1/namespaces/a/status 200", false, false},
		{"watch", "GET", "/api/v1/nodes?watch=true", "watch /api/v1/nodes?watch=true 200", false, false},
		{"create", "POST", "/api/v1/nodes", "create /api/v1/nodes 200", false, true},
		{"update", "PUT", "/api/v1/nodes/a", "update /api/v1/nodes/a 200", false, true},
		{"patch", "PATCH", "/api/v1/nodes/a", "patch /api/v1/nodes/a 200", false, true},
		{"dry run", "PATCH", "/api/v1/nodes/a?dryRun=All", "patch /api/v1/nodes/a?dryRun=All 200", false, false},
		{"delete", "DELETE", "/api/v1/nodes/a", "delete /api/v1/nodes/a 200", false, true},
		{"delete collection", "DELETE", "/api/v1/nodes", "deletecollection /api/v1/nodes 200", false, true},
		{
			"access review", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
			"create /apis/authorization.k8s.io/v1/selfsubjectaccessreviews 200", false, false,
		},
		{"discovery of groups", "GET", "/apis", "get /apis 200", true, false},
		{"discovery of core", "GET", "/api/v1", "get /api/v1 200", true, false},
		{"discovery of a group", "GET", "/apis/apps/v1", "get /apis/apps/v1 200", true, false},
		{"version", "GET", "/version", "get /version 200", true, false},
		{"openapi", "GET", "/openapi/v3/apis/apps/v1", "get /openapi/v3/apis/apps/v1 200", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var record kubetest.Record
			ok := record.Wrap(answer(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK}, nil
			}))
			send(t, ok, tt.method, tt.url)

			got := record.Requests(nil)[0]
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if got.IsDiscovery() != tt.discovery || got.IsWrite() != tt.write {
				t.Errorf("discovery %t, write %t, want %t, %t", got.IsDiscovery(), got.IsWrite(), tt.discovery, tt.write)
			}
			if want := !tt.discovery && tt.method == http.MethodGet; got.IsRead() != want {
				t.Errorf("read %t, want %t", got.IsRead(), want)
			}
		})
	}
}

func TestRecordError(t *testing.T) {
	refused := errors.New("connection refused")
	var record kubetest.Record
	send(t, record.Wrap(answer(func(*http.Request) (*http.Response, error) { return nil, refused })), "GET", "/api/v1/pods")
	want := "list /api/v1/pods: connection refused"
	if diff := cmp.Diff(want, record.Requests(nil)[0].String()); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	record.Reset()
	if got := record.Requests(nil); len(got) != 0 {
		t.Errorf("after Reset: %v, want nothing", got)
	}
}

func send(t *testing.T, to http.RoundTripper, method, url string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://127.0.0.1:6443"+url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := to.RoundTrip(request)
	if err == nil && response.Body != nil {
		_ = response.Body.Close()
	}
}
