package lab

import "github.com/multihome/multihome/internal/e2e/debian"

// debianPackages are what cannot be built from Go modules.
var debianPackages = []debian.Package{
	{Name: "gcc", File: "/usr/bin/gcc", Purpose: "runc has C code"},
	{Name: "libc6-dev", File: "/usr/include/stdlib.h", Purpose: "runc has C code"},
	{Name: "pkg-config", File: "/usr/bin/pkg-config", Purpose: "runc finds libseccomp by it"},
	{Name: "libseccomp-dev", File: "/usr/include/seccomp.h", Purpose: "runc links it"},
	{Name: "busybox-static", File: busybox, Purpose: "images with a shell have it"},
	{Name: "iptables", File: "/usr/sbin/iptables", Purpose: "portmap and flanneld call it"},
}

const busybox = "/bin/busybox"
