package lab

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ErrNoMemoryLimits is the error of [Node.Memory] where the machine's cgroups do not limit memory.
var ErrNoMemoryLimits = errors.New("the machine's cgroups do not limit a container's memory")

// Memory is what the kernel says of a container's memory, in bytes.
type Memory struct{ Limit, Peak int64 }

// Memory returns the memory of a container that runs on the node. Peak is that of the container that runs now.
func (n *Node) Memory(ctx context.Context, pod *corev1.Pod, container string) (Memory, error) {
	for _, status := range pod.Status.ContainerStatuses {
		_, id, found := strings.Cut(status.ContainerID, "://")
		if status.Name != container || !found {
			continue
		}
		return n.memoryOf(ctx, fmt.Sprintf("/kubepods/*/pod%s/%s", pod.UID, id))
	}
	return Memory{}, fmt.Errorf("pod %s/%s: container %s has not run", pod.Namespace, pod.Name, container)
}

// memoryOf reads the files of a cgroup: those of version 1, or else of version 2.
func (n *Node) memoryOf(ctx context.Context, cgroup string) (Memory, error) {
	const root = "/sys/fs/cgroup"
	script := fmt.Sprintf("cat %[1]s/memory%[2]s/memory.limit_in_bytes %[1]s/memory%[2]s/memory.max_usage_in_bytes 2>/dev/null || cat %[1]s%[2]s/memory.max %[1]s%[2]s/memory.peak", root, cgroup)
	out, err := n.Run(ctx, "sh", "-c", script)
	if err != nil {
		return Memory{}, fmt.Errorf("%w: %w", ErrNoMemoryLimits, err)
	}
	numbers := strings.Fields(string(out))
	if len(numbers) != 2 {
		return Memory{}, fmt.Errorf("%w: cgroup %s says %q", ErrNoMemoryLimits, cgroup, out)
	}
	var m Memory
	for i, to := range []*int64{&m.Limit, &m.Peak} {
		if *to, err = strconv.ParseInt(numbers[i], 10, 64); err != nil {
			return Memory{}, fmt.Errorf("%w: cgroup %s: %w", ErrNoMemoryLimits, cgroup, err)
		}
	}
	return m, nil
}
