#!/usr/bin/env bash
# Checks that the builder image is the same bytes whoever makes it: as root, with subordinate ids, with one id; in other time zones,
# locales, umasks and directories, all at once. test-builder.sh [FLAVOUR [LOCK]], as root; takes minutes.
# Standard output is a table. LOCK: the packages to take; otherwise the image is made first, as anyone would.
set -euo pipefail
set -m # a process group for each build, to be ended by
cd "$(dirname "$0")/.."
[[ $EUID == 0 ]] || { echo "test-builder.sh: making users takes root" >&2 && exit 2; }
flavour=${1:-small} lock=${2:-target/test-builder.lock} made=()
scripts/setup.sh builder
source scripts/builder/settings.sh
[[ $# == 2 ]] || { scripts/builder/build.sh --flavour "$flavour" target/test-builder >/dev/null && rm -r target/test-builder; }
dir=$(mktemp -d)
finish() {
  for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || :; done && wait
  for user in "${made[@]}"; do userdel "$user"; done && rm -rf "$dir"
}
trap finish EXIT && trap 'exit 143' TERM
chmod 755 "$dir"
cp "$lock" "$dir/lock" && chmod 644 "$dir/lock"
for user in airship-a airship-b; do useradd --no-create-home --home-dir "$dir/$user" "$user" && made+=("$user") || exit; done
sed -i '/^airship-[ab]:/d' /etc/subuid /etc/subgid
echo 'airship-a:2000000:65536' | tee -a /etc/subuid >>/etc/subgid

# make WHAT USER ZONE LOCALE UMASK: one row of the table
make() {
  local what=$1 user=$2 home=$dir/$2 size digest wall own system TIMEFORMAT='%R %U %S'
  local as=(setpriv --reuid "$user" --regid "$user" --init-groups --reset-env env "TZ=$3" "LC_ALL=$4" "LANG=$4" HOME="$home" BUILDER_CACHE="$home/cache")
  # shellcheck disable=SC2016 # the inner shell's
  { time "${as[@]}" sh -c 'cd && umask $1 && shift && exec "$@"' sh "$5" scripts/builder/build.sh --flavour "$flavour" --locked "$dir/lock" "$home/image"; } \
    >/dev/null 2>"$home/log" || { tail -n 20 "$home/log" >&2 && return 1; }
  read -r wall own system < <(tail -n 1 "$home/log")
  digest=$(sed -E 's/.*"digest": "sha256:([0-9a-f]+)".*/\1/' "$home/image/index.json")
  size=$(du -s --block-size=1M --apparent-size "$home/image" | cut -f 1)
  printf '| %s | %s | %s | %s | %.0f | %.0f | %d | %s |\n' "$flavour" "$what" "$3" "$5" "$wall" "$(bc <<<"$own + $system")" "$size" "${digest:0:16}"
}
for user in root "${made[@]}"; do
  mkdir -p "$dir/$user/cache/debs" && cp -r scripts "$dir/$user"
  [[ $user == root ]] || find "$BUILDER_CACHE/debs" -maxdepth 1 -name '*.deb' -exec cp -t "$dir/$user/cache/debs" {} +
  chown -R "$user:" "$dir/$user"
done
printf '| flavour | made | time zone | umask | wall s | CPU s | MB | manifest |\n|---|---|---|---|---|---|---|---|\n'
make 'by root, nothing saved' root UTC C.UTF-8 022 & one=$!
make 'with subordinate ids, packages saved' airship-a Asia/Kathmandu de_DE.UTF-8 077 & two=$!
make 'with one id, packages saved' airship-b America/St_Johns C 002 & three=$!
wait $one; wait $two; wait $three
make 'by root, layers saved' root UTC C.UTF-8 022
for user in "${made[@]}"; do diff -r "$dir/root/image" "$dir/$user/image"; done
echo "test-builder.sh: three images, the same bytes"
