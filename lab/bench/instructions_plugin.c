// A QEMU plugin: notes which blocks of instructions the guest executes, from when it calls the
// address kStart until it calls kStop. lab/bench/instructions builds it, and reads what it writes.
//
// The declarations are those of version 1 of QEMU's plugin interface (docs/devel/tcg-plugins of
// QEMU), whose header Debian does not package.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
EXPORT int qemu_plugin_version = 1;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*call)(uint64_t id, struct qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb*,
                                          void (*call)(unsigned cpu, void* data), int flags,
                                          void* data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb*);

static const uint64_t kStart = 0x13370000;
static const uint64_t kStop = 0x13371000;

// What is written to the file, one for each block that was executed.
struct Block {
  uint64_t address;
  uint64_t instructions;
};

static const size_t kMostBlocks = (size_t)32 << 20;  // 512 MiB; some seconds of a guest.
static struct Block* blocks;
static size_t count;
static int recording;
static char path[4096];

static void start(unsigned cpu, void* data) {
  (void)cpu, (void)data;
  recording = 1;
  count = 0;
}

static void stop(unsigned cpu, void* data) {
  (void)cpu, (void)data;
  if (!recording) return;
  recording = 0;
  FILE* file = fopen(path, "wb");
  if (file == NULL || fwrite(blocks, sizeof *blocks, count, file) != count || fclose(file) != 0) {
    perror(path);
  }
}

static void executed(unsigned cpu, void* block) {
  (void)cpu;
  if (recording && count < kMostBlocks) blocks[count++] = *(struct Block*)block;
}

static void translated(uint64_t id, struct qemu_plugin_tb* tb) {
  (void)id;
  const struct Block block = {qemu_plugin_tb_vaddr(tb), qemu_plugin_tb_n_insns(tb)};
  if (block.address == kStart) {
    qemu_plugin_register_vcpu_tb_exec_cb(tb, start, 0, NULL);
  } else if (block.address == kStop) {
    qemu_plugin_register_vcpu_tb_exec_cb(tb, stop, 0, NULL);
  } else {
    struct Block* kept = malloc(sizeof *kept);  // As long as the guest lives.
    *kept = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, kept);
  }
}

// The one argument is the file to write: out=PATH.
EXPORT int qemu_plugin_install(uint64_t id, const void* info, int argc, char** argv) {
  (void)info;
  if (argc != 1 || strncmp(argv[0], "out=", 4) != 0) return -1;
  snprintf(path, sizeof path, "%s", argv[0] + 4);
  blocks = malloc(kMostBlocks * sizeof *blocks);
  if (blocks == NULL) return -1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
