// A BPF program written out instruction by instruction, with labels: for programs too small to deserve a compiler.
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace weft::bpf {

enum Register : uint8_t { kR0, kR1, kR2, kR3, kR4, kR5, kR6, kR7, kR8, kR9 };

inline int call(int command, bpf_attr& attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

class Assembler {
 public:
  using Label = size_t;

  Label label() {
    targets_.push_back(0);
    return targets_.size() - 1;
  }
  void place(Label label) { targets_[label] = code_.size(); }

  void move(Register to, Register from) { emit(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void move(Register to, int32_t value) { emit(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value); }
  void add(Register to, Register from) { emit(BPF_ALU64 | BPF_ADD | BPF_X, to, from, 0, 0); }
  void add(Register to, int32_t value) { emit(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value); }
  void multiply(Register to, Register from) { emit(BPF_ALU64 | BPF_MUL | BPF_X, to, from, 0, 0); }
  void multiply(Register to, int32_t value) { emit(BPF_ALU64 | BPF_MUL | BPF_K, to, 0, 0, value); }
  void mask(Register to, int32_t value) { emit(BPF_ALU64 | BPF_AND | BPF_K, to, 0, 0, value); }
  void shift_left(Register to, int32_t bits) { emit(BPF_ALU64 | BPF_LSH | BPF_K, to, 0, 0, bits); }
  void shift_right(Register to, int32_t bits) { emit(BPF_ALU64 | BPF_RSH | BPF_K, to, 0, 0, bits); }

  void load_immediate(Register to, uint64_t value) { emit_wide(to, 0, value); }
  // The address `offset` bytes into the only value of an array map.
  void load_map_value(Register to, int map_fd, uint32_t offset) {
    emit_wide(to, BPF_PSEUDO_MAP_VALUE, static_cast<uint32_t>(map_fd) | uint64_t{offset} << 32);
  }

  // r0 = byte, half word or word (BPF_B, BPF_H, BPF_W) of the packet in host order. Outside it the program returns 0.
  void load_packet(uint8_t size, int32_t offset) { emit(BPF_LD | BPF_ABS | size, 0, 0, 0, offset); }
  void load_packet(uint8_t size, Register base, int32_t offset) { emit(BPF_LD | BPF_IND | size, 0, base, 0, offset); }

  void load(Register to, uint8_t size, Register base, int16_t offset) {
    emit(BPF_LDX | BPF_MEM | size, to, base, offset, 0);
  }
  void store(Register base, int16_t offset, Register from) { emit(BPF_STX | BPF_MEM | BPF_DW, base, from, offset, 0); }
  // from = old value, memory += from, atomically.
  void fetch_add(Register base, int16_t offset, Register from) {
    emit(BPF_STX | BPF_ATOMIC | BPF_DW, base, from, offset, BPF_ADD | BPF_FETCH);
  }

  void jump(Label to) { branch(BPF_JMP | BPF_JA, kR0, 0, 0, to); }
  void jump_if_equal(Register r, int32_t value, Label to) { branch(BPF_JMP | BPF_JEQ | BPF_K, r, 0, value, to); }
  void jump_if_equal(Register r, Register other, Label to) { branch(BPF_JMP | BPF_JEQ | BPF_X, r, other, 0, to); }
  void jump_if_not_equal(Register r, int32_t value, Label to) { branch(BPF_JMP | BPF_JNE | BPF_K, r, 0, value, to); }
  void jump_if_greater(Register r, int32_t value, Label to) { branch(BPF_JMP | BPF_JGT | BPF_K, r, 0, value, to); }
  void jump_if_greater(Register r, Register other, Label to) { branch(BPF_JMP | BPF_JGT | BPF_X, r, other, 0, to); }

  void call(int32_t helper) { emit(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
  void exit() { emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

  // The program's descriptor, -1 if the kernel refuses it.
  int load_program(bpf_prog_type type) {
    for (const auto& [at, label] : branches_) code_[at].off = static_cast<int16_t>(targets_[label] - at - 1);
    bpf_attr attributes;
    std::memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = type;
    attributes.insns = reinterpret_cast<uint64_t>(code_.data());
    attributes.insn_cnt = static_cast<uint32_t>(code_.size());
    attributes.license = reinterpret_cast<uint64_t>("GPL");
    return bpf::call(BPF_PROG_LOAD, attributes);
  }

 private:
  struct Branch {
    size_t at;
    Label label;
  };

  void emit(int code, uint8_t to, uint8_t from, int16_t offset, int32_t value) {
    code_.push_back(
        {static_cast<uint8_t>(code), static_cast<uint8_t>(to & 15), static_cast<uint8_t>(from & 15), offset, value});
  }
  void emit_wide(Register to, uint8_t kind, uint64_t value) {
    emit(BPF_LD | BPF_DW | BPF_IMM, to, kind, 0, static_cast<int32_t>(value));
    emit(0, 0, 0, 0, static_cast<int32_t>(value >> 32));
  }
  void branch(int code, Register r, uint8_t other, int32_t value, Label to) {
    branches_.push_back({code_.size(), to});
    emit(code, r, other, 0, value);
  }

  std::vector<bpf_insn> code_;
  std::vector<size_t> targets_;
  std::vector<Branch> branches_;
};

}  // namespace weft::bpf
