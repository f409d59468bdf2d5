#!/bin/sh
# The panel in a real Blender with a window (needs root, and a chroot made by `blender_gui.sh setup`):
#   run.sh BLENDER_GUI.sh CHROOT ENGINE_ENV VIDEO ZIP OUT [STEPS]
# ENGINE_ENV: the engine's virtual environment. It, the Python it was made from and the video's folder are shown
# inside the chroot read-only under their own paths while this runs. Pictures and report.json land in OUT.
set -eu
TOOL=$1; C=$2; ENV=$3; VIDEO=$4; ZIP=$5; OUT=$6; STEPS=${7:-}
HERE=$(cd "$(dirname "$0")" && pwd)
PYTHON=$("$ENV/bin/python" -c 'import sys; print(sys.base_prefix)')
MOUNTED=""
unmount() { for m in $MOUNTED; do umount "$m" || true; done; }
trap unmount EXIT INT TERM
# torch reads what processor it runs on.
for folder in /proc /sys "$ENV" "$PYTHON" "$(dirname "$VIDEO")"; do
  mkdir -p "$C$folder"
  mount --bind "$folder" "$C$folder"; MOUNTED="$C$folder $MOUNTED"
  mount -o remount,bind,ro "$C$folder"
done
rm -rf "$C/srv/gui/shots" "$C/srv/gui/blender_user"; mkdir -p "$OUT"
export P2M_ENGINE_PYTHON="$ENV/bin/python" VIDEO STEPS
"$TOOL" run "$C" "$HERE/drive.py" "$OUT/last.png" "$ZIP"
cp "$C"/srv/gui/shots/* "$OUT"/
if [ -f "$OUT/engine_pid" ] && kill -0 "$(cat "$OUT/engine_pid")" 2>/dev/null; then
  echo "the engine outlived Blender" >&2; exit 1
fi
