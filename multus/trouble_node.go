package multus

import "github.com/multihome/multihome"

// nodeTroubles are those of a node, whatever the network. They are general and
// stand behind the others.
var nodeTroubles = []trouble{
	{
		code:     "network/disk-full",
		symptoms: []string{"no space left on device"},
		message:  "the node's disk is full: Multus and IPAM keep files in /var/lib/cni",
		remedy:   "free space on the node's EPHEMERAL partition",
		source:   "multus-cni pkg/multus/multus.go; containernetworking/plugins host-local",
	},
	{
		code:     "network/read-only",
		symptoms: []string{"read-only file system"},
		message:  "a directory is written to that is read-only on the node; on Talos /opt, /etc/cni and /var can be written",
		remedy:   "put the paths in Config.Daemon and in the NAD there",
		source:   "siderolabs/talos internal/app/machined/pkg/runtime",
	},
	{
		code:     "network/sandbox-gone",
		severity: multihome.SeverityInfo,
		symptoms: []string{`failed to open netns "*": failed to Statfs`},
		message:  "the pod's network namespace {1} was gone when the plugin came to it: the pod was deleted meanwhile",
		remedy:   "nothing; if it lasts, the netns fix of Installer.Install is missing",
		source:   "containernetworking/plugins pkg/ns v1.9.1",
	},
	{
		code:     "multus/cache-not-written",
		symptoms: []string{"saveScratchNetConf: failed to", "error saving the delegates"},
		message:  "the daemon cannot write /var/lib/cni/multus, where it notes what to undo when the pod is deleted",
		remedy:   "see that Config.Daemon.CNIDir is mounted from the node, as Render does, and has space",
		source:   "multus-cni pkg/multus/multus.go",
	},
}

// auditTroubles are what no message tells. [Installer.Audit] finds them by
// what pods, NADs and Multus' own pods say.
var auditTroubles = []trouble{
	{
		code:     "multus/not-installed",
		observed: "pods run without their networks, no pod has the network-status annotation",
		message:  "no Multus is installed that could set the pod up",
		remedy:   "Installer.Install, then Installer.Audit with Recreate",
		source:   "Installer.Audit",
	},
	{
		code:     "multus/installed-later",
		observed: "a pod runs without its networks and is older than Multus",
		message:  "the pod started at {1}, and Multus was installed at {2}",
		remedy:   "recreate the pod: Installer.Audit with Recreate",
		source:   "Installer.Audit",
	},
	{
		code:     "multus/away",
		observed: "a pod runs without its networks; it started while Multus restarted",
		message:  "the pod started at {1} while Multus was away: it runs on the node since {2}",
		remedy:   "recreate the pod: Installer.Audit with Recreate",
		source:   "multus-cni #1387, #1468, #1527: the daemon removes 00-multus.conf when it stops",
	},
	{
		code:     "multus/not-on-node",
		observed: "pods of one node run without their networks, and the node has no pod of Multus",
		message:  "Multus does not run on the node",
		remedy:   "see that Config.NodeSelector and Config.Tolerations let it run there; Installer.Status tells more",
		source:   "Installer.Audit",
	},
	{
		code:     "multus/bypassed",
		observed: "a pod runs without its networks, although Multus ran on its node before",
		message:  "Multus ran on the node since {1}, before the pod started at {2}, and was not asked: 00-multus.conf was gone, or was not the first file in /etc/cni/net.d",
		remedy:   "Installer.Plan tells whether Cilium renames the file; restart Multus, which writes it again, then Installer.Audit with Recreate",
		source:   "multus-cni #972, #1387: the daemon does not notice that the file is gone",
	},
	{
		code:     "multus/changed-later",
		observed: "a pod has some of its networks, and not those that its annotation was given later",
		message:  "Multus set the pod up without the missing network: the annotation was changed after the pod started",
		remedy:   "recreate the pod: Installer.Audit with Recreate; Multus looks at the annotation when a pod starts only",
		source:   "multus-cni pkg/multus/multus.go: a network that fails lets the pod fail",
	},
	{
		code:     "multus/stale-status",
		observed: "a pod has lost its networks after a restart of its node, and its network-status annotation still lists them",
		message:  "network-status is of an earlier sandbox: it has {1}, and the pod has {2}, so that the network was set up again without Multus",
		remedy:   "recreate the pod: Installer.Audit with Recreate",
		source:   "multus-cni #1387; Talos 1.14 empties /etc/cni/net.d at boot",
	},
	{
		code:     "network/annotation-invalid",
		observed: "a pod waits or runs without its networks, and its annotations cannot be read",
		message:  "what the pod asks for cannot be read: {1}",
		remedy:   "write the annotation with nad.Attach",
		source:   "package nad",
	},
	{
		code:     "network/status-invalid",
		observed: "the network-status annotation of a pod cannot be read",
		message:  "what the pod got cannot be read: {1}",
		remedy:   "recreate the pod: nobody but Multus should write its network-status",
		source:   "package nad",
	},
	{
		code:     "multus/unknown",
		severity: multihome.SeverityWarning,
		observed: "a pod lacks a network, and nothing tells why",
		message:  "nothing that could be read tells why: {1}",
		remedy:   "read the events of the pod and the log of Multus on its node",
		source:   "Installer.Audit",
	},
}
