package multustest

import (
	"errors"
	"net"
	"net/url"
	"os"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Timeout returns the 504 of an API server that did not finish in time. The
// write may still have been carried out, as far as the caller knows.
func Timeout() error {
	return apierrors.NewTimeoutError("request did not complete within the allotted timeout", 0)
}

// TooManyRequests returns the 429 of an API server that sheds load.
func TooManyRequests() error {
	return apierrors.NewTooManyRequests("the server has received too many requests and has asked us to try again later", 1)
}

// ServerError returns a 500, as when etcd changes its leader.
func ServerError() error {
	return apierrors.NewInternalError(errors.New("etcdserver: leader changed"))
}

// Unavailable returns a 503, as from a load balancer without a live API
// server behind it.
func Unavailable() error {
	return apierrors.NewServiceUnavailable("the server is currently unable to handle the request")
}

// ConnectionReset returns the error of a connection that breaks before the
// API server has read the request.
func ConnectionReset() error {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	return &url.Error{Op: "Post", URL: serverURL, Err: reset}
}

// Conflict returns the 409 for an object that has changed since it was read.
func Conflict() error {
	return apierrors.NewConflict(corev1.Resource("configmaps"), "multus-daemon-config",
		errors.New("the object has been modified; please apply your changes to the latest version and try again"))
}

// Invalid returns a 422, as from an admission webhook or the validation of a
// field.
func Invalid() error {
	return apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "DaemonSet"}, "kube-multus-ds",
		field.ErrorList{field.Invalid(field.NewPath("spec", "template"), "", "refused by the test")})
}

// Expired returns the 410 for a list or watch that continues from a state
// which the API server no longer has.
func Expired() error {
	return apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.")
}

// LostAnswer returns an error that makes [Cluster.Fail] carry the request out
// and lose the answer: the caller sees a connection reset and cannot know.
func LostAnswer() error { return lostAnswerError{ConnectionReset()} }

type lostAnswerError struct{ error }

// Unwrap returns what the caller of a real client would see.
func (l lostAnswerError) Unwrap() error { return l.error }
