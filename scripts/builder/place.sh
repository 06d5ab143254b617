# shellcheck shell=bash
# Sourced by build.sh: where the image goes.
# shellcheck disable=SC2154 # here, work and recipe are of build.sh

# take_place: settles `out`, which is not there, or empty, or an image that was made here, and makes `new`, the directory beside it in
# which the next one grows
take_place() {
  local parent
  if [[ -z $out ]]; then
    out=$here/../../target/builder-image
    [[ $BUILDER_FLAVOUR == small ]] || out+=-$BUILDER_FLAVOUR
  fi
  out=$(realpath -m -- "$out")
  check_place
  parent=$(dirname "$out")
  new=$parent/.${out##*/}.new
  if ! { mkdir -p "$parent" && rm -rf "$new" && mkdir "$new"; }; then wrong "$out cannot be written" 'name another OUT'; fi
}

check_place() {
  if [[ -e $out ]] && ! is_replaceable; then
    wrong "$out is there, and nothing that build.sh made or can replace" 'name another OUT, or remove that if nobody needs it'
  fi
  # other programs have files of such names, too
  if [[ -e $out.lock ]] && ! recipe names "$out.lock" live >/dev/null 2>&1; then
    wrong "$out.lock is there, and no lock file of build.sh, which would replace it" 'name another OUT, or move that file'
  fi
}

# what has other files in it is somebody's, such as a rootfs cache, which is an image layout too
is_replaceable() {
  local found
  if [[ ! -d $out || ! -r $out || ! -x $out ]] || mountpoint --quiet "$out"; then return 1; fi
  found=$(find "$out" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort) || return 1
  [[ -z $found || ($found == $'blobs\nindex.json\noci-layout' && -f $out.lock) ]]
}

# put_in_place: the lock file first, without which the image would be taken for somebody's
put_in_place() {
  # minutes have gone by
  check_place
  cp "$work/builder.lock" "$new/lock"
  mv -T "$new/lock" "$out.lock"
  rm -rf "$out"
  mv -T "$new/image" "$out"
}
