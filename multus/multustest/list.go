package multustest

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// query is a list in parts. The tracker cuts the page out of the store before
// the fake client converts it: 5,000 nodes are converted once, not once a page.
type query struct {
	resource  resource
	selection selection
	limit     int64
	after     types.NamespacedName

	next      string
	remaining *int64
}

// page returns what the query asks for and sets next and remaining.
func (q *query) page(objects []client.Object) []client.Object {
	objects = slices.DeleteFunc(objects, func(object client.Object) bool {
		isBefore := q.after.Name != "" && cmp.Or(
			cmp.Compare(object.GetNamespace(), q.after.Namespace), cmp.Compare(object.GetName(), q.after.Name)) <= 0
		return isBefore || !q.selection.matches(q.resource, object)
	})
	if q.limit <= 0 || int64(len(objects)) <= q.limit {
		return objects
	}
	last := objects[q.limit-1]
	q.next = base64.RawURLEncoding.EncodeToString([]byte(last.GetNamespace() + "/" + last.GetName()))
	if q.selection.all() {
		q.remaining = new(int64(len(objects)) - q.limit)
	}
	return objects[:q.limit]
}

// newQuery reads the options of a list.
func newQuery(r resource, options client.ListOptions) (*query, error) {
	selected, err := newSelection(r, options)
	if err != nil {
		return nil, err
	}
	q := &query{resource: r, selection: selected, limit: options.Limit}
	token := options.Continue
	if options.Raw != nil {
		q.limit, token = cmp.Or(q.limit, options.Raw.Limit), cmp.Or(token, options.Raw.Continue)
	}
	if token == "" {
		return q, nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(token)
	namespace, name, ok := strings.Cut(string(decoded), "/")
	if err != nil || !ok {
		return nil, apierrors.NewBadRequest("continue key is not valid: " + token)
	}
	q.after = types.NamespacedName{Namespace: namespace, Name: name}
	return q, nil
}

// list serves a list.
func (c *Cluster) list(ctx context.Context, inner client.WithWatch, list client.ObjectList, options client.ListOptions) error {
	var q *query
	return c.serve(ctx, operation{
		object: list,
		request: func(r resource) Request {
			return c.requestFor("list", r, client.ObjectKey{Namespace: options.Namespace}, false)
		},
		run: func() (err error) {
			if q, err = newQuery(c.request.resource, options); err != nil {
				return err
			}
			c.request.query = q
			if err := inner.List(ctx, list, client.InNamespace(options.Namespace)); err != nil {
				return err
			}
			list.SetResourceVersion(strconv.FormatUint(c.store.version, 10))
			list.SetContinue(q.next)
			list.SetRemainingItemCount(q.remaining)
			return nil
		},
	})
}
