package kubetest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Record keeps what a client has asked of an API server, in the order of asking:
//
//	var record kubetest.Record
//	config := server.Config()
//	config.Wrap(record.Wrap)
//	c, err := client.New(config, client.Options{})
//	...
//	writes := record.Requests(kubetest.Request.IsWrite)
//
// The zero value is ready to use. It is safe for concurrent use.
type Record struct {
	mu       sync.Mutex
	requests []*Request
}

// Request is one request as it was sent, so a request that a client repeats is there repeatedly.
type Request struct {
	Verb   string // as RBAC has it: get, list, watch, create, update, patch, delete or deletecollection
	Path   string // such as /apis/apps/v1/namespaces/kube-system/daemonsets/kube-multus-ds
	Query  url.Values
	Status int   // of the answer; 0: there was none, or not yet
	Err    error // why there was none
}

// IsDiscovery reports whether the request asks what the server is able to do, not about an object.
func (r Request) IsDiscovery() bool { return resourceParts(r.Path) == nil }

// IsDryRun reports whether the server was told to change nothing.
func (r Request) IsDryRun() bool { return r.Query.Has("dryRun") }

// IsWrite reports whether the request was meant to change the cluster: neither a read nor a dry run, nor one
// of the reviews, which are created but not stored.
func (r Request) IsWrite() bool {
	switch r.Verb {
	case "get", "list", "watch":
		return false
	}
	return !r.IsDryRun() && !strings.HasPrefix(r.Path, "/apis/authorization.k8s.io/") &&
		!strings.HasPrefix(r.Path, "/apis/authentication.k8s.io/")
}

// IsRead reports whether the request reads objects: get, list or watch, without discovery.
func (r Request) IsRead() bool {
	switch r.Verb {
	case "get", "list", "watch":
		return !r.IsDiscovery()
	}
	return false
}

// String returns the request in one line, such as
// "patch /api/v1/nodes/a?dryRun=All 200".
func (r Request) String() string {
	s := r.Verb + " " + r.Path
	if len(r.Query) > 0 {
		s += "?" + r.Query.Encode()
	}
	if r.Err != nil {
		return fmt.Sprintf("%s: %v", s, r.Err)
	}
	return fmt.Sprintf("%s %d", s, r.Status)
}

// Wrap returns a RoundTripper that records and passes on to next; it is made for [rest.Config.Wrap].
func (r *Record) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		recorded := &Request{Verb: verb(request), Path: request.URL.Path, Query: request.URL.Query()}
		r.mu.Lock()
		r.requests = append(r.requests, recorded)
		r.mu.Unlock()

		response, err := next.RoundTrip(request)

		r.mu.Lock()
		defer r.mu.Unlock()
		if recorded.Err = err; err == nil {
			recorded.Status = response.StatusCode
		}
		return response, err
	})
}

// Requests returns the requests for which keep is true, such as [Request.IsWrite]; all of them if it is nil.
func (r *Record) Requests(keep func(Request) bool) []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kept []Request
	for _, request := range r.requests {
		if keep == nil || keep(*request) {
			kept = append(kept, *request)
		}
	}
	return kept
}

// Reset forgets all requests.
func (r *Record) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// verb returns the verb that the API server authorizes.
func verb(r *http.Request) string {
	parts := resourceParts(r.URL.Path)
	named := len(parts) > 1
	switch r.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if named {
			return "delete"
		}
		return "deletecollection"
	}
	switch {
	case slices.Contains([]string{"true", "1"}, r.URL.Query().Get("watch")):
		return "watch"
	case parts == nil || named:
		return "get"
	}
	return "list"
}

// resourceParts returns what follows API group, version and namespace in a path: resource, name, subresource.
// It is nil if there is no resource in the path.
func resourceParts(path string) []string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 2: // api/v1/pods
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3: // apis/apps/v1/daemonsets
		parts = parts[3:]
	default:
		return nil
	}
	if parts[0] == "namespaces" && len(parts) > 2 && !isNamespaceSubresource(parts[2]) {
		parts = parts[2:]
	}
	return parts
}

func isNamespaceSubresource(name string) bool { return name == "status" || name == "finalize" }
