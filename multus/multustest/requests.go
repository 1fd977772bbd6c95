package multustest

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Request is one request as the API server sees it.
type Request struct {
	// Verb is get, list, watch, create, apply, patch, update, delete or
	// deletecollection. Apply is server-side apply, for which RBAC says patch.
	Verb string
	// Group of the resource, "" for the core group.
	Group string
	// Kind is as in a manifest, "DaemonSet"; Resource as in a role,
	// "daemonsets".
	Kind, Resource string
	// Subresource is "status", for example; "" is the object itself.
	Subresource string
	// Namespace is empty for resources without one, and where a request is
	// for all namespaces.
	Namespace string
	// Name is empty for lists, watches and generated names.
	Name string
	// DryRun requests change nothing.
	DryRun bool
}

// IsWrite reports whether the request is one that changes the cluster: no
// read, no dry run and no question about permissions.
func (r Request) IsWrite() bool {
	return !r.DryRun && r.Group != "authorization.k8s.io" && !slices.Contains([]string{"get", "list", "watch"}, r.Verb)
}

// String returns the request on one line, as in "apply daemonsets
// kube-system/kube-multus-ds (dry run)".
func (r Request) String() string {
	words := []string{r.Verb, r.resourcePath()}
	switch {
	case r.Namespace != "" && r.Name != "":
		words = append(words, r.Namespace+"/"+r.Name)
	case r.Namespace != "":
		words = append(words, "in "+r.Namespace)
	case r.Name != "":
		words = append(words, r.Name)
	}
	if r.DryRun {
		words = append(words, "(dry run)")
	}
	return strings.Join(words, " ")
}

// resourcePath is the resource as in a role: "pods/status".
func (r Request) resourcePath() string {
	if r.Subresource == "" {
		return r.Resource
	}
	return r.Resource + "/" + r.Subresource
}

// requestLog records what the client sends. It has a lock of its own: a hook
// may use the cluster.
type requestLog struct {
	mu       sync.Mutex
	requests []Request
	hook     func(int, Request) error
}

// Requests returns what the client has sent since the start or
// [Cluster.ResetRequests], in the order of arrival, failed ones included.
func (c *Cluster) Requests() []Request {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return slices.Clone(c.log.requests)
}

// ResetRequests forgets the recorded requests. The index that [Cluster.Fail]
// counts begins at zero again.
func (c *Cluster) ResetRequests() {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.log.requests = nil
}

// Fail installs hook, which is called before each request with its index
// since the start or [Cluster.ResetRequests]. An error of hook goes to the
// caller instead of the request to the API server; see [Timeout] and the
// functions beside it for real ones, and [LostAnswer] for a request that is
// carried out all the same. Hook may use the cluster. Nil removes it.
func (c *Cluster) Fail(hook func(index int, r Request) error) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.log.hook = hook
}

// arrive records a request and asks the hook. The second error is for the
// caller of a request that is carried out.
func (c *Cluster) arrive(ctx context.Context, r Request) (refused, lost error) {
	if err := ctx.Err(); err != nil {
		return transportError(r, err), nil
	}
	c.log.mu.Lock()
	index, hook := len(c.log.requests), c.log.hook
	c.log.requests = append(c.log.requests, r)
	c.log.mu.Unlock()
	if hook != nil {
		if err := hook(index, r); errors.As(err, new(lostAnswerError)) {
			return nil, err
		} else if err != nil {
			return err, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return transportError(r, err), nil
	}
	return nil, nil
}

// transportError wraps an error as Go's HTTP client does.
func transportError(r Request, err error) error {
	return &url.Error{Op: r.method(), URL: serverURL, Err: err}
}

// method is the HTTP method, as url.Error writes it.
func (r Request) method() string {
	switch r.Verb {
	case "create":
		return "Post"
	case "update":
		return "Put"
	case "apply", "patch":
		return "Patch"
	case "delete", "deletecollection":
		return "Delete"
	default:
		return "Get"
	}
}

// serverURL is the API server's address in errors.
const serverURL = "https://10.5.0.2:6443"

// isDryRun reads the option of a write.
func isDryRun(options []string) bool { return slices.Contains(options, metav1.DryRunAll) }

// requestFor describes a request for one object.
func (c *Cluster) requestFor(verb string, r resource, key client.ObjectKey, dryRun bool) Request {
	if !r.namespaced {
		key.Namespace = ""
	}
	return Request{
		Verb: verb, Group: r.gvk.Group, Kind: r.gvk.Kind, Resource: r.name,
		Namespace: key.Namespace, Name: key.Name, DryRun: dryRun,
	}
}
