package multus

import (
	"path"

	corev1 "k8s.io/api/core/v1"
)

// startupScript takes the daemon's configuration and what thin Multus left. It
// runs startupPrograms, which every official image has.
const startupScript = `cat "$0" && { rm -f "$@" || :; }`

// startupFix lets a pod of Multus be ready once it serves. The daemon writes
// 00-multus.conf when it answers, a second or two after its container runs, and
// until then the runtime calls the primary CNI alone: without a probe the pod
// counts as ready all that time, an install ends too soon, and an update takes
// the next node down before this one is back. The probe looks for the file with
// cat, which is in every official image, and not again once it was there. A
// file that a killed daemon left is as good: by it pods wait for the daemon.
//
// Once the file is there, what thin Multus left beside it goes: a configuration
// that the runtime would fall back to whenever the daemon is away, and the
// credentials of that, which ended with thin Multus' pod. Its binary goes where
// containerd runs, which ends pods by the configuration that it has then. CRI-O
// remembers the one that a pod began with, so there it stays for an uninstall.
var startupFix = fix{
	Fix: Fix{
		Name:   "startup",
		Reason: "without a probe a pod of Multus counts as ready before pods get their networks, and those that start meanwhile lack them without a word",
		Source: "multus-cni #963, #970, #1527; measured in internal/e2e/lab",
	},
	applies: always,
	apply: func(b *build) {
		dir := b.config.Daemon.CNIConfigDir
		if dir == "" {
			dir, _ = b.daemon["cniConfigDir"].(string)
		}
		command := []string{
			"/bin/sh", "-c", startupScript, path.Join(dir, "00-multus.conf"),
			path.Join(dir, "00-multus.conflist"), path.Join(dir, "multus.d/multus.kubeconfig"),
		}
		if b.config.Platform.runsContainerd() {
			command = append(command, "/opt/cni/bin/multus")
		}
		b.daemonContainer().StartupProbe = &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}},
			PeriodSeconds: 1,
			// The daemon itself gives up after two minutes without a primary CNI.
			FailureThreshold: 300,
		}
	},
}
