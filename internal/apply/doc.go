// Package apply writes objects by server-side apply, and only those that an
// apply would change.
//
// The steps are separate, so that a caller can look before it writes:
//
//	states, err := applier.Read(ctx, desired...)      // one GET per object
//	for _, state := range states {
//		if state.Settled(applier.Owner) {
//			continue                                  // no request
//		}
//		change, err := applier.DryRun(ctx, state)     // what would change, and who is against it
//		change, err = applier.Apply(ctx, state, false)
//	}
//
// An unchanged object costs one GET. Whether it is unchanged is read from its
// managedFields and values, not from an annotation or a hash that others could
// leave standing on a changed object. Where that cannot be told, an apply
// finds out.
//
// Errors name the verb and the object and wrap what the client returned.
// [ConflictError] is the one to branch on. The package knows nothing about the
// order of objects, about waiting, or about what was installed before.
package apply
