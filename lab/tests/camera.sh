# Emulated cameras under the kernel's uvcvideo, through stock vhci_hcd: every picture that v4l2-ctl
# gets is the file's, byte by byte, in order, and from the first one on.
#
# lab-timeout: 900
. "$LAB_REPO/lab/guest/lib.sh"

video_of() { basename "$(echo /sys/bus/usb/devices/"$1"/"$1":1.0/video4linux/video* | cut -d ' ' -f 1)"; }
has_video() { [[ -c /dev/$(video_of "$1") ]]; }
attach_camera() { # BUSID
    attach "$1"
    wait_for has_video "$LOCAL" || bail_out "a video device appears" "$(dmesg | tail -n 8)"
    VIDEO=/dev/$(video_of "$LOCAL")
}
film() { # PICTURES
    rm -f "$LAB_SCRATCH/film"
    timeout $((LAB_PATIENCE * 3)) v4l2-ctl -d "$VIDEO" --stream-mmap --stream-count="$1" \
        --stream-to="$LAB_SCRATCH/film"
}
# The film is COUNT pictures, which are those of FILE..., over and over.
is_film_of() { # COUNT FILE...
    python3 - "$LAB_SCRATCH/film" "$@" << 'END'
import itertools, sys
film = open(sys.argv[1], "rb").read()
pictures = [open(path, "rb").read() for path in sys.argv[3:]]
wanted = b"".join(itertools.islice(itertools.cycle(pictures), int(sys.argv[2])))
same = next((i for i, (a, b) in enumerate(zip(film, wanted)) if a != b), "the end")
print(len(wanted), "bytes wanted,", len(film), "seen; the same up to", same)
sys.exit(film != wanted)
END
}

modprobe uvcvideo || bail_out "uvcvideo loads"
mkdir "$LAB_SCRATCH/raw" "$LAB_SCRATCH/jpeg"
python3 - "$LAB_SCRATCH" << 'END'
import random, sys
folder = sys.argv[1]
for i in range(7):
    open(f"{folder}/raw/{i}.yuv", "wb").write(random.randbytes(160 * 120 * 2))
# One picture ends exactly with a transfer of 16 KiB: its payload is followed by an empty one.
for i, size in enumerate([5000, 16384 - 2, 40000, 1234, 32768 - 2, 50000]):
    head = bytes.fromhex("ffd8 ffc0000b080078 00a0 01011100 ffda0002")
    scan = random.randbytes(size - len(head) - 2).replace(b"\xff", b"\x00")
    open(f"{folder}/jpeg/{i}.jpg", "wb").write(head + scan + b"\xff\xd9")
END
start_server tcp://127.0.0.1:3240 \
    "emulated:camera?frames=$LAB_SCRATCH/raw&size=160x120&fps=15" \
    "emulated:camera?frames=$LAB_SCRATCH/jpeg&format=mjpeg&pipe=bulk&fps=15" \
    "emulated:camera?frames=$LAB_SCRATCH/jpeg&format=mjpeg&fps=10&speed=full" \
    'emulated:composite?of=camera,audio,network'

# --- YUYV over an isochronous pipe ---

attach_camera 1-1
check "uvcvideo binds" is_bound_to "$LOCAL:1.0" uvcvideo
check_suspend_and_resume "$LOCAL"
check "v4l2-ctl sees the size" eval "v4l2-ctl -d $VIDEO --get-fmt-video | grep -q 160/120"
must film 20
check "twenty pictures over an isochronous pipe are those of the files" \
    is_film_of 20 "$LAB_SCRATCH"/raw/*
must film 3
check "... and begin with the first one again" is_film_of 3 "$LAB_SCRATCH"/raw/*
expect_clean_dmesg

# --- Unplugged while it films ---

film 100000 > /dev/null 2>&1 &
viewer=$!
wait_for test -s "$LAB_SCRATCH/film"
detach "$PORT"
wait "$viewer"
ok "a viewer of an unplugged camera ends"
expect_clean_dmesg

# --- JPEG over a bulk pipe, and at full speed ---

attach_camera 1-2
must film 20
check "twenty JPEG pictures over a bulk pipe are those of the files" \
    is_film_of 20 "$LAB_SCRATCH"/jpeg/*
detach "$PORT"
attach_camera 1-3
must film 8
check "pictures at full speed are those of the files" is_film_of 8 "$LAB_SCRATCH"/jpeg/*
detach "$PORT"
expect_clean_dmesg

# --- In a composite device ---

modprobe snd-usb-audio
modprobe cdc_ncm
attach_camera 1-4
check "a composite device has a camera" is_bound_to "$LOCAL:1.0" uvcvideo
check "... a sound card" wait_for is_bound_to "$LOCAL:1.2" snd-usb-audio
check "... and a network adapter" wait_for is_bound_to "$LOCAL:1.5" cdc_ncm
detach "$PORT"

expect_clean_dmesg
stop_server TERM
check_equal "the server ends with status 0" 0 "$SERVER_STATUS"
finish
