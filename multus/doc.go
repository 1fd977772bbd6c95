// Package multus brings thick Multus to a cluster: it renders a release with
// the corrections that Talos Linux, Cilium and arm64 nodes need, installs it,
// upgrades it and tells how it is doing.
//
// Offline, [Render] turns a [Config] into a [Bundle]: typed objects, and YAML
// for a GitOps repository or a Talos inline manifest.
//
//	bundle, err := multus.Render(multus.Config{
//		Platform: multus.Platform{Talos: "v1.13.9", PrimaryCNI: "cilium", Architectures: []string{"amd64", "arm64"}},
//	})
//	yaml, err := bundle.YAML()
//
// Live, an [Installer] does it on a cluster, which it looks at first:
//
//	installer, err := multus.NewInstaller(c, multus.Config{}) // c: a controller-runtime client
//	plan, err := installer.Plan(ctx)                          // writes nothing
//	result, err := installer.Install(ctx, multus.InstallOptions{})
//	status, err := installer.Status(ctx)
//	report, err := installer.Audit(ctx, multus.AuditOptions{}) // pods that asked for a network and lack it
//	err = installer.Uninstall(ctx, multus.UninstallOptions{}) // the nodes as they were before
//
// [Explain] says what a message means: an event's, a plugin's, the daemon's.
//
// # Versions
//
// [Versions] lists the releases of Multus, v4.0.0 to v4.3.0; their manifests
// are embedded as upstream ships them, and [Fixes] lists every change that is
// made to them, with its reason. Talos 1.7 to 1.14 is known; a cluster without
// Talos works where it keeps Kubernetes' default CNI directories. The API
// server must know server-side apply (1.22).
//
// # What an install promises
//
// Objects are written by server-side apply as field manager [FieldManager].
// What another field manager owns is named and left alone, unless the caller
// chooses a [ConflictPolicy]. Nothing is written when nothing differs: then an
// install takes six reads, and one more for each 500 nodes if the platform is
// to be detected. A first install takes at most twelve requests, its waits
// included, whatever the number of nodes. Whatever ends a call, the next one
// finishes the job, and no node loses its primary CNI in between.
//
// # Errors
//
// A Config that makes no sense gives all its problems at once, each a
// *field.Error. [PreflightError], [ConflictError], [RolloutError] and
// [UninstallError] are what a caller may want to branch on. Every other error names the request and the
// object, and wraps its cause: apierrors.IsForbidden and errors.Is with
// context.DeadlineExceeded work. Advice is never an error: it is a
// multihome.Finding.
//
// # Not here
//
// Thin Multus is detected, and turned into thick Multus by an install that
// adopts it: its arguments, ConfigMap, configuration and credentials go, where
// containerd runs its binary too. Paths of distributions that move the CNI
// directories (k3s, MicroK8s, GKE) need a [Patch]. No registry is asked: package
// multus/image does that, and Installer.VerifyingImages lets it.
package multus
