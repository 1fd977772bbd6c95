# Takes off a node what Multus left there, $ROOT being the node's /, and
# nothing else. Running it again does no harm.
set -u
net="$ROOT/etc/cni/net.d" bin="$ROOT/opt/cni/bin"
left=""

warn() {
  echo "$1" >&2
  echo "$1" 2>/dev/null >>"${MESSAGE:-/dev/termination-log}"
}

# remove deletes files; what cannot be deleted makes the program fail.
remove() {
  for file in "$@"; do
    if [ ! -e "$file" ] && [ ! -L "$file" ]; then continue; fi
    if rm -rf "$file"; then echo "removed ${file#"$ROOT"}"; else left="$left ${file#"$ROOT"}"; fi
  done
}

# remove_empty deletes directories that hold nothing of anybody.
remove_empty() {
  for dir in "$@"; do
    if [ -d "$dir" ] && [ ! -L "$dir" ] && rmdir "$dir" 2>/dev/null; then echo "removed ${dir#"$ROOT"}"; fi
  done
}

# A Multus that still runs would write again what is removed here.
multus_runs() { grep -qsxE 'multus-daemon|thin_entrypoint' "${PROC:-/proc}"/[0-9]*/comm; }

# configs lists what a runtime would read, but for Multus' own.
configs() {
  for file in "$net"/*.conf "$net"/*.conflist "$net"/*.json; do
    case "${file##*/}" in 00-multus*) continue ;; esac
    if [ -f "$file" ]; then echo "$file"; fi
  done
}

# restore gives the primary CNI's configuration its name back, if it is the
# only one there can be: thin Multus renames it to .old, Cilium that of others
# to .cilium_bak. Where Cilium is, its own may be back at any moment.
restore() {
  found=""
  for file in "$net"/*.old "$net"/*.cilium_bak; do
    name="${file##*/}"
    name="${name%.*}"
    case "$file" in *.cilium_bak) if [ -e "$bin/cilium-cni" ]; then continue; fi ;; esac
    case "$name" in 00-multus*) continue ;; *.conf | *.conflist | *.json) ;; *) continue ;; esac
    if [ ! -f "$file" ] || ! grep -qE '"(type|plugins)"' "$file"; then continue; fi
    if [ -n "$found" ]; then return; fi
    found="$file"
  done
  if [ -n "$found" ] && mv "$found" "${found%.*}"; then warn "restored ${found%.*}"; fi
}

# used reports whether a configuration that stays names the plugin.
used() { configs | while read -r file; do grep -q "\"$1\"" "$file" && echo used; done | grep -q used; }

# remove_plugins deletes the reference plugins that were copied beside Multus
# and that nobody has replaced since. The checksums tell.
remove_plugins() {
  records="$bin/.multihome"
  for record in "$records"/*; do
    name="${record##*/}"
    if [ ! -f "$record" ] || used "$name"; then continue; fi
    if [ -f "$bin/$name" ] && [ ! -L "$bin/$name" ]; then
      sum=$(sha256sum <"$bin/$name") || sum=unknown
      if grep -qx "${sum%% *}" "$record"; then remove "$bin/$name"; fi
    fi
    remove "$record"
  done
  remove_empty "$records"
}

while multus_runs; do sleep "${PAUSE:-1}"; done

# The configuration first: with it gone, pods start by the primary CNI alone.
remove "$net/00-multus.conf" "$net/00-multus.conflist" "$net/00-multus.conf.cilium_bak" "$net/00-multus.conflist.cilium_bak"
if [ -z "$(configs)" ]; then restore; fi
if [ -z "$(configs)" ]; then warn "no configuration of a primary CNI in ${net#"$ROOT"}"; fi

remove "$net/multus.d/multus.kubeconfig"
remove_empty "$net/multus.d" "$ROOT/etc/cni/multus/net.d" "$ROOT/etc/cni/multus"
remove "$bin/multus" "$bin/multus-shim" "$bin/passthru" "$bin"/multus-shim.temp* "$bin"/passthru.temp*
remove_plugins
remove "$ROOT/run/multus/multus.sock"
remove_empty "$ROOT/run/multus" "$ROOT/run/k8s.cni.cncf.io"
# Made by upstream's mount where /var/run is a directory of its own.
if [ ! -L "$ROOT/var/run" ]; then remove_empty "$ROOT/run/netns"; fi
remove "$ROOT/var/lib/cni/multus"

if [ -n "$left" ]; then
  warn "not removed:$left"
  exit 1
fi
