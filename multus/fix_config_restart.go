package multus

import (
	"crypto/sha256"
	"encoding/hex"
)

// configAnnotation holds a hash of the daemon's configuration on the pod
// template.
const configAnnotation = "multihome.github.io/daemon-config"

// configRestartFix restarts the daemon when its configuration changes. The
// daemon reads daemon-config.json once, at its start; a changed ConfigMap
// alone changes nothing until a pod happens to restart, node by node.
var configRestartFix = fix{
	Fix: Fix{
		Name:   "config-restart",
		Reason: "the daemon reads its configuration only at its start, so a changed ConfigMap alone has no effect",
		Source: "multus-cni cmd/multus-daemon/main.go at v4.3.0",
	},
	applies: always,
	// The hash itself is written at the end: the configuration is not complete
	// before all fixes and patches are made.
	apply: func(b *build) { b.restartOnConfig = true },
}

// recordDaemonConfig writes the hash of the daemon's configuration on the pods.
func (b *Bundle) recordDaemonConfig() {
	sum := sha256.Sum256([]byte(b.ConfigMap.Data[daemonConfigKey]))
	for _, ds := range b.DaemonSets {
		setAnnotation(&ds.Spec.Template.ObjectMeta, configAnnotation, hex.EncodeToString(sum[:8]))
	}
}
