# Copies the CNI plugins in $SOURCE that $TARGET lacks; $PLUGINS limits them.
# Checksums of what it copies are kept in $TARGET/.multihome: only a plugin
# that has one of them is ever replaced. All else belongs to somebody else.
set -u
records="$TARGET/.multihome"

sum() { digest=$(sha256sum <"$1") && echo "${digest%% *}"; }

install_plugin() {
  name="$1" from="$SOURCE/$1" to="$TARGET/$1" record="$records/$1" new="$records/$1.new"
  if [ ! -f "$from" ]; then
    echo "$name: not in $SOURCE of this image" >&2
    return 1
  fi
  wanted=$(sum "$from") || return 1
  present=none
  if [ -L "$to" ] || [ -d "$to" ]; then
    return 0
  fi
  if [ -e "$to" ]; then
    present=$(sum "$to") || return 1
    if [ "$present" = "$wanted" ] || ! grep -qx "$present" "$record" 2>/dev/null; then
      return 0
    fi
  fi
  # The record comes first: cut off after it, the next run still knows
  # both the old file and the new one as its own.
  if cp "$from" "$new" && chmod 0755 "$new" && sync "$new" && [ "$(sum "$new")" = "$wanted" ] &&
    printf '%s\n' "$wanted" "$present" >"$record" && mv -f "$new" "$to"; then
    echo "$name: installed"
    return 0
  fi
  rm -f "$new"
  return 1
}

missing=""
mkdir -p "$records"
rm -f "$records"/*.new
set -- ${PLUGINS:-}
if [ $# = 0 ]; then set -- "$SOURCE"/*; fi
for path in "$@"; do
  case "${path##*/}" in
  LICENSE | README.md) continue ;;
  esac
  install_plugin "${path##*/}" || missing="$missing ${path##*/}"
done
if [ -n "$missing" ]; then
  echo "not installed:$missing" >&2
  echo "not installed:$missing" 2>/dev/null >"${MESSAGE:-/dev/termination-log}"
fi
exit 0
