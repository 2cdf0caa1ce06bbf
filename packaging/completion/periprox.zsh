#compdef periprox
# Completion of periprox for zsh.

_periprox_devices() {
  local -a devices
  devices=(${(f)"$(periprox list --emulated 2> /dev/null | sed -n 's/^\(emulated:[^ ]*\)$/\1/p')"})
  devices+=(${(f)"$(periprox list 2> /dev/null | sed -n 's/^\([0-9][0-9]*-[0-9.]*\) .*/\1/p')"})
  compadd -- $devices
  compadd -S '' -- recorded: usbip:// usbip+unix:/// usbip+vsock:// usbip+exec: ring:///
}

# Of every verb that moves URBs.
_periprox_stages=(
  '--capture[writes all traffic to a file]:file:_files'
  '--snaplen[most bytes of data kept of each transfer]:bytes:'
  '--capture-size[begins a new file after that size]:size:'
  '--capture-files[how many of these files are kept]:number:'
  '*--fault[makes transfers go wrong]:rule:(stall error= drop delay= jitter= slow= truncate= corrupt duplicate reorder disconnect=)'
  '--seed[repeats the faults of a run]:number:'
  '*--limit[keeps transfers within bounds]:rule:(urbs= bytes= breaker orphans)'
)

_periprox_transfer() {
  _arguments -C $_periprox_stages \
    '--timeout[how long each transfer may take]:seconds:' \
    '*--setting[selects an alternate setting first]:INTERFACE\:ALTERNATE:' \
    '--hex[prints data in hexadecimal]' \
    '--json[prints a line of JSON for each transfer]' \
    '--count[how many transfers "in" makes, 0 = until interrupted]:number:' \
    '--zero-packet["out" ends with an empty packet]' \
    '(- *)'{-h,--help}'[prints help]' \
    '1:device:_periprox_devices' \
    '2:kind:(control in out)' \
    '*:number:'
}

_periprox() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C \
    '(- *)'{-h,--help}'[prints help]' \
    '(- *)--version[prints the version]' \
    '1:verb:((serve\:"exports devices" list\:"lists devices" show\:"shows descriptors" transfer\:"moves data" inspect\:"shows captures" attach\:"plugs devices into this kernel" detach\:"takes devices out of it" ports\:"lists virtual ports" export\:"exports over standard input" check\:"examines a server or a client" capture\:"captures a served device"))' \
    '*::argument:->argument'
  [[ $state == argument ]] || return
  case $words[1] in
    serve)
      _arguments $_periprox_stages \
        '*--listen[where to listen]:address:(tcp\:// unix\:/// vsock\://)' \
        '--yes[means all devices]' \
        '--json[prints what happens as lines of JSON]' \
        '(--verbose)--quiet[prints warnings only]' \
        '(--quiet)--verbose[prints every connection]' \
        '(- *)'{-h,--help}'[prints help]' \
        '*:device:_periprox_devices'
      ;;
    list)
      _arguments \
        '(1)--emulated[what can be emulated]' \
        '--json[prints JSON]' \
        '(- *)'{-h,--help}'[prints help]' \
        '(--emulated)1:server:(usbip\:// usbip+unix\:/// usbip+vsock\:// ring\:///)'
      ;;
    show)
      _arguments $_periprox_stages \
        '--timeout[how long to wait for each string]:seconds:' \
        '--json[prints JSON]' \
        '(- *)'{-h,--help}'[prints help]' \
        '1:device:_periprox_devices'
      ;;
    transfer) _periprox_transfer ;;
    check)
      _arguments \
        '--client[examines clients, not a server]' \
        '--listen[where clients come to]:address:(tcp\:// unix\:///)' \
        '--yes[also the cases that change the device]' \
        '*'{-k,--match}'[only the cases whose names contain this]:text:' \
        '*--skip[leaves out a case]:name:' \
        '--timeout[how long each answer may take]:seconds:' \
        '--list[lists the cases]' \
        '--json[prints a line of JSON for each case]' \
        '(- *)'{-h,--help}'[prints help]' \
        '1:device:(usbip\:// usbip+unix\:///)'
      ;;
    capture)
      _arguments \
        '--snaplen[most bytes of data kept of each transfer]:bytes:' \
        '--list[lists what can be captured]' \
        '--json[prints a line of JSON for each]' \
        '(- *)'{-h,--help}'[prints help]' \
        '1:device:(${(f)"$(periprox capture --list 2> /dev/null | sed -n "s/^\([0-9][-0-9.]*\) .*/\1/p")"})' \
        '2:file:_files'
      ;;
    inspect)
      _arguments \
        '--errors[only what went wrong]' \
        '--endpoint[only this endpoint]:address:' \
        '--type[only this type]:type:(control isochronous bulk interrupt)' \
        '--from[only from so many seconds on]:seconds:' \
        '--until[only until so many seconds]:seconds:' \
        '--summary[only figures]' \
        '(2)--follow[waits for more]' \
        '--json[prints a line of JSON for each transfer]' \
        '(- *)'{-h,--help}'[prints help]' \
        '1:capture:_files' \
        '(--follow)2:capture to compare with:_files'
      ;;
    attach)
      _arguments $_periprox_stages \
        '(--background)--direct[gives the connection to the kernel]' \
        '(--direct)--background[leaves a process that serves]' \
        '--wait[how long a device may take]:seconds:' \
        '--silence[how long a machine may be silent]:seconds:' \
        '--json[prints what happens as lines of JSON]' \
        '--quiet[prints warnings only]' \
        '(- *)'{-h,--help}'[prints help]' \
        '*:device:_periprox_devices'
      ;;
    detach)
      _arguments \
        '(*)--all[every device]' \
        '--wait[how long a port may take]:seconds:' \
        '--json[prints lines of JSON]' \
        '(- *)'{-h,--help}'[prints help]' \
        '*:port:(${(f)"$(periprox ports 2> /dev/null | sed -n "s/^\([0-9][0-9]*\) .*/\1/p")"})'
      ;;
    ports)
      _arguments \
        '--all[free ports too]' \
        '--json[prints JSON]' \
        '(- *)'{-h,--help}'[prints help]'
      ;;
    export)
      _arguments $_periprox_stages \
        '(- *)'{-h,--help}'[prints help]' \
        '1:device:_periprox_devices'
      ;;
  esac
}

_periprox "$@"
