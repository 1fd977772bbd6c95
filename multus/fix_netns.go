package multus

// netnsFix mounts the directory in which containerd really keeps network
// namespaces. containerd passes /var/run/netns/... to CNI. Upstream mounts the
// host's /run/netns and relies on /var/run being a link to /run. On Talos up
// to v1.8.0, and on nodes upgraded from there to v1.9, /var/run is a directory
// of its own: the daemon then finds no namespace and every new pod of the node
// fails, not only those with a secondary network. Where /var/run is a link
// both paths are the same directory, so the fix is made everywhere. Only the
// host's path changes; the path inside the pod stays.
var netnsFix = fix{
	Fix: Fix{
		Name:   "netns",
		Reason: "containerd keeps network namespaces in /var/run/netns, which on Talos up to v1.8 is not /run/netns; without this no new pod starts on such a node",
		Source: "Talos Multus guide; siderolabs/talos commits f711907e0, 203e02df4",
	},
	applies: always,
	apply: func(b *build) {
		volumes := b.podSpec().Volumes
		for i := range volumes {
			if volumes[i].Name == "host-run-netns" && volumes[i].HostPath != nil {
				volumes[i].HostPath.Path = "/var/run/netns/"
			}
		}
	},
}
