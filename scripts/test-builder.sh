#!/usr/bin/env bash
# Shows that the builder image is the same bytes whoever makes it: as root, with subordinate ids, with one id; in other time zones,
# locales, umasks and directories. test-builder.sh [FLAVOUR], as root; takes minutes. The lines between are a table.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $EUID == 0 ]] || { echo "test-builder.sh: making users takes root" >&2 && exit 2; }
flavour=${1:-small} made=() digest='' failed=0
scripts/setup.sh builder
dir=$(mktemp -d)
trap 'for user in "${made[@]}"; do userdel "$user" 2>/dev/null || :; done; rm -rf "$dir"' EXIT
chmod 755 "$dir"
for user in airship-a airship-b; do
  useradd --no-create-home --home-dir "$dir/$user" "$user" && made+=("$user")
done
sed -i '/^airship-[ab]:/d' /etc/subuid /etc/subgid
echo 'airship-a:2000000:65536' | tee -a /etc/subuid >>/etc/subgid

# make WHAT USER ZONE LOCALE UMASK OPTION...: one row of the table
make() {
  local what=$1 user=$2 home=$dir/$2 size now TIMEFORMAT='%R %U %S' && local setting=("TZ=$3" "LC_ALL=$4" "LANG=$4") mask=$5
  shift 5
  if [[ ! -e $home ]]; then
    mkdir -p "$home/cache/debs" && cp -r scripts "$home"
    [[ $user == root ]] || cp -al "$dir/root/cache/debs" "$home/cache"
    chown "$user:" "$home" "$home"/cache{,/*}
  fi
  local as=(setpriv --reuid "$user" --regid "$user" --init-groups --reset-env)
  { time "${as[@]}" env "${setting[@]}" HOME="$home" BUILDER_CACHE="$home/cache" sh -c "cd $home && umask $mask && exec scripts/builder/build.sh \"\$@\"" \
    sh --flavour "$flavour" "$@" "$home/image" >/dev/null 2>"$home/log"; } 2>"$dir/time" || { tail -n 20 "$home/log" >&2 && exit 1; }
  read -r wall own system <"$dir/time"
  now=$(sed -E 's/.*"digest": "sha256:([0-9a-f]+)".*/\1/' "$home/image/index.json")
  size=$(du -s --block-size=1M --apparent-size "$home/image" | cut -f 1)
  printf '| %s | %s | %s | %s | %.0f | %.0f | %d | %s |\n' "$flavour" "$what" "$3" "$mask" "$wall" "$(bc <<<"$own + $system")" "$size" "${now:0:12}"
  [[ ${digest:=$now} == "$now" ]] || failed=1
}
printf '| flavour | made | time zone | umask | wall s | CPU s | MB | manifest |\n|---|---|---|---|---|---|---|---|\n'
make 'as root, nothing saved' root UTC C.UTF-8 022
make 'as root, layers saved' root UTC C.UTF-8 022
lock=$dir/root/image.lock
make 'with subordinate ids, packages saved' airship-a Asia/Kathmandu de_DE.UTF-8 077 --locked "$lock"
make 'with one id, packages saved' airship-b America/St_Johns C 002 --locked "$lock"
[[ $failed == 0 ]] || { echo 'test-builder.sh: the images differ' >&2 && exit 1; }
for user in "${made[@]}"; do diff -r "$dir/root/image" "$dir/$user/image"; done
echo "test-builder.sh: one image, sha256:$digest"
