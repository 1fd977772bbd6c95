package multus

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/apply"
)

// pageSize bounds what one list request returns, and with it the memory that
// a large cluster takes.
const pageSize = 500

// list is an empty list of a kind. Unstructured lists come from the API server
// itself: a manager's cache would start to watch the kind in all namespaces.
func list(apiVersion, kind string) *unstructured.UnstructuredList {
	out := &unstructured.UnstructuredList{}
	out.SetAPIVersion(apiVersion)
	out.SetKind(kind + "List")
	return out
}

// eachPage calls each for every object of a list, page by page. A list that
// grows too old between two pages begins again once; each then sees objects
// twice.
func eachPage(ctx context.Context, reader client.Reader, page *unstructured.UnstructuredList, each func(*unstructured.Unstructured) error, options ...client.ListOption) error {
	token, restarted := "", false
	for {
		page.SetContinue("") // a last page without metadata would leave the old token
		paged := append([]client.ListOption{client.Limit(pageSize), client.Continue(token)}, options...)
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

// objectName is "Kind namespace/name".
func objectName(object *unstructured.Unstructured) string { return apply.Name(object) }

// localChange tells what is to be changed from the live object alone, for
// those who may not ask the API server by dry run.
func localChange(state apply.State) Change {
	out := Change{Object: objectName(state.Desired), Action: ActionUpdate}
	switch {
	case state.Live == nil:
		out.Action = ActionCreate
	case state.Settled(FieldManager):
		out.Action = ActionNone
	default:
		for _, f := range state.Drift() {
			out.Fields = append(out.Fields, FieldChange(f))
		}
	}
	return out
}
