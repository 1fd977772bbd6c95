// Package live is how the live packages read a cluster: lists by pages, as they
// are on the API server, and a missing permission as a finding.
package live

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
)

// PageSize bounds what one list request returns, and with it the memory that
// a large cluster takes.
const PageSize = 500

// List is an empty list of a kind. Unstructured lists come from the API server
// itself: a manager's cache would start to watch the kind in all namespaces.
func List(apiVersion, kind string) *unstructured.UnstructuredList {
	out := &unstructured.UnstructuredList{}
	out.SetAPIVersion(apiVersion)
	out.SetKind(kind + "List")
	return out
}

// EachPage calls each for every object of a list, page by page. A list that
// grows too old between two pages begins again once; each then sees objects
// twice. An error of the request names the list and wraps its cause; one of
// each is returned as it is.
func EachPage(ctx context.Context, reader client.Reader, page *unstructured.UnstructuredList, each func(*unstructured.Unstructured) error, options ...client.ListOption) error {
	token, restarted := "", false
	for {
		page.SetContinue("") // a last page without metadata would leave the old token
		paged := append([]client.ListOption{client.Limit(PageSize), client.Continue(token)}, options...)
		if err := reader.List(ctx, page, paged...); err != nil {
			if apierrors.IsResourceExpired(err) && token != "" && !restarted {
				token, restarted = "", true
				continue
			}
			return fmt.Errorf("list %ss: %w", strings.ToLower(strings.TrimSuffix(page.GetKind(), "List")), err)
		}
		for n := range page.Items {
			if err := each(&page.Items[n]); err != nil {
				return err
			}
		}
		if token = page.GetContinue(); token == "" {
			return nil
		}
	}
}

// Unseen turns a missing permission into a finding: the rest of what is read
// is worth having. The finding is of severity warning and says that without
// verb on what nothing is known of tells. Any other error stays one, and the
// finding is then zero; both are zero where err is nil.
func Unseen(err error, code, verb, what, tells string) (multihome.Finding, error) {
	if !apierrors.IsForbidden(err) {
		return multihome.Finding{}, err
	}
	return multihome.Finding{
		Code: code, Severity: multihome.SeverityWarning,
		Message: fmt.Sprintf("no permission to %s %s, so nothing is known of: %s", verb, what, tells),
		Remedy:  fmt.Sprintf("allow the verb %s on %s", verb, what),
	}, nil
}
