package kubetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/multihome/multihome/internal/e2e/kubetest"
)

var server *kubetest.Server

func TestMain(m *testing.M) {
	kubetest.Main(m, kubetest.Options{Controllers: true}, &server)
}

func TestServerVersion(t *testing.T) {
	got, err := newClient(t, server.Config()).Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if want := "v1.37.2"; got.GitVersion != want || got.Major != "1" || got.Minor != "37" {
		t.Errorf("version %s (%s, %s), want %s", got.GitVersion, got.Major, got.Minor, want)
	}
}

func TestUserMayDoWhatIsGranted(t *testing.T) {
	server.ResetAfter(t)
	admin := newClient(t, server.Config())
	user := newClient(t, server.User("installer", "operators"))

	if _, err := user.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("without grant: error %v, want forbidden", err)
	}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "node-reader"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"list"}}},
	}
	if _, err := admin.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "node-reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "operators"}},
	}
	if _, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error { // the API server learns of RBAC objects by watch
		_, err := user.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		return err
	})
	if err := user.CoreV1().Nodes().Delete(t.Context(), "a", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("delete: error %v, want forbidden", err)
	}
}

func TestRecordOfClient(t *testing.T) {
	server.ResetAfter(t)
	var record kubetest.Record
	config := server.Config()
	config.Wrap(record.Wrap)
	client := newClient(t, config)

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "recorded"}}
	dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), namespace, dryRun); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Namespaces().Get(t.Context(), "recorded", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("after dry run: error %v, want not found", err)
	}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	want := "[create /api/v1/namespaces?dryRun=All 201 get /api/v1/namespaces/recorded 404 create /api/v1/namespaces 201]"
	if got := fmt.Sprint(record.Requests(nil)); got != want {
		t.Errorf("requests %s, want %s", got, want)
	}
	if got := record.Requests(kubetest.Request.IsWrite); len(got) != 1 {
		t.Errorf("writes %v, want the last request", got)
	}
}

func TestAPIServerComesBack(t *testing.T) {
	server.ResetAfter(t)
	client := newClient(t, server.Config())
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "durable"}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	if err := server.StartAPIServer(t.Context()); err == nil {
		t.Error("a second API server was started beside the first")
	}
	server.StopAPIServer()
	_, err := client.CoreV1().Namespaces().Get(t.Context(), "durable", metav1.GetOptions{})
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("while stopped: error %v, want connection refused", err)
	}
	start := time.Now()
	if err := server.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("API server is back after %v", time.Since(start).Round(time.Millisecond))

	if _, err := client.CoreV1().Namespaces().Get(t.Context(), "durable", metav1.GetOptions{}); err != nil {
		t.Errorf("after restart: %v", err)
	}
	eventually(t, func(ctx context.Context) error { // the controllers have found it again
		_, err := client.CoreV1().ServiceAccounts("durable").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func TestStopLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	start := time.Now()
	s, err := kubetest.Start(t.Context(), kubetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("etcd and kube-apiserver are ready after %v", time.Since(start).Round(time.Millisecond))
	client := newClient(t, s.Config())
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: metav1.NamespaceDefault},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}},
	}
	if _, err := client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Errorf("without controllers: %v", err)
	}
	if logs := s.Logs(); !strings.Contains(logs, "--- etcd") || !strings.Contains(logs, "--- kube-apiserver") {
		t.Errorf("logs %q, want those of etcd and kube-apiserver", logs)
	}
	s.Stop()
	if left := leftIn(t, temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.Stop() // may be called again
}

func TestStartCutShortLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var started atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		defer cancel()
		for !started.Load() { // until the log of the last program is there
			logs, err := filepath.Glob(filepath.Join(temp, "*", "kube-apiserver.log"))
			if err != nil || len(logs) > 0 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	s, err := kubetest.Start(ctx, kubetest.Options{Controllers: true})
	started.Store(true)
	watching.Wait()
	if err == nil {
		s.Stop()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
	if left := leftIn(t, temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestKilled kills a test binary that has a server.
func TestKilled(t *testing.T) {
	const childEnv = "KUBETEST_WAIT_TO_BE_KILLED"
	if os.Getenv(childEnv) != "" {
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends processes with their parent")
	}
	temp := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), childEnv+"=1", "TMPDIR="+temp)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if left := leftIn(t, temp); len(left) < 5 { // four programs and a directory
		t.Errorf("before: %v, want the programs of a server", left)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	eventually(t, func(context.Context) error {
		if left := leftIn(t, temp); len(left) > 0 {
			return fmt.Errorf("left behind: %v", left)
		}
		return nil
	})
}

// leftIn returns the files in a directory and, on Linux, the processes that work there.
func leftIn(t *testing.T, dir string) (left []string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range processes {
		if cwd, err := os.Readlink(process); err == nil && strings.HasPrefix(cwd, dir) {
			left = append(left, process)
		}
	}
	return left
}

func newClient(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// eventually waits until try returns nil.
func eventually(t *testing.T, try func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true,
		func(ctx context.Context) (bool, error) {
			last = try(ctx)
			return last == nil, nil
		})
	if err != nil {
		t.Fatalf("%v: %v", err, last)
	}
}
