package multus

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/multihome/multihome/internal/apply"
)

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
