// ChaCha20's double rounds on several blocks at once with AVX2, alone or with Poly1305 of other data in between: what
// chacha20_avx2.h declares.
//
// Eight blocks in columns. By hand, as gcc 12 moves 27 vectors to and fro in each double round to make room: of the 130
// vector instructions here 128 are ChaCha20's own. A word of all eight blocks is a register:
//
//      words 0..7, 9, 10, 12..15    %ymm0..7, 9, 10, 12..15
//      words 8 and 11               in turns %ymm8 and memory
//      a temporary                  %ymm11
//
// Two, four or six blocks in rows. By hand, as gcc keeps nothing in registers where the hash is between:
//
//      rows a..d of set 0, 1, 2     %ymm0..3, 4..7, 8..11
//      a temporary of each set      %ymm12, 13, 14
//
// A quarter round is four steps, and the hash of a 16-byte block four pieces. Behind each step go one piece (columns) or
// two (rows), so that the processor always has both to choose from.
//
// Constant time: no branch and no address depends on key, state or text.
#if defined(__x86_64__)

#include <cet.h>

// The arguments, in the order of the C calling convention. What is read at once makes room for the hash.
#define FROM	%rdi
#define TO	%rsi
#define HASHED	%edx
#define PLAIN	%ecx
#define POLY	%r8
#define TEXT	%r9
// The hash: accumulator (H0 where mulx wants a factor), multiplier (struct Poly1305), products.
#define H0	%rdx
#define H1	%r10
#define H2	%r11
#define R0	24(POLY)
#define R1	32(POLY)
#define S1	40(POLY)
#define LO	%rbx
#define HI	%r12
#define D1	%r13
#define D1_HI	%r14
#define D2	%r15
#define T	%rdi
#define T_HI	%rax
#define ROUNDS	%ecx

// a += b; d = (d ^ a) <<< 16 or 8.
.macro add_xor_shuffle a, b, d, a2, b2, d2, shuffle
	vpaddd	%ymm\b, %ymm\a, %ymm\a
	vpaddd	%ymm\b2, %ymm\a2, %ymm\a2
	vpxor	%ymm\a, %ymm\d, %ymm\d
	vpxor	%ymm\a2, %ymm\d2, %ymm\d2
	vpshufb	\shuffle(%rip), %ymm\d, %ymm\d
	vpshufb	\shuffle(%rip), %ymm\d2, %ymm\d2
.endm

// c += d; b = (b ^ c) <<< 12 or 7. With the words `out` and `in` the first c is the former, and becomes the latter.
.macro add_xor_shift c, d, b, c2, d2, b2, bits, out, in
	.ifb \out
	vpaddd	%ymm\d, %ymm\c, %ymm\c
	.else
	vmovdqa	%ymm\c, 32*\out(TO)
	vpaddd	32*\in(TO), %ymm\d, %ymm\c
	.endif
	vpaddd	%ymm\d2, %ymm\c2, %ymm\c2
	vpxor	%ymm\c, %ymm\b, %ymm\b
	vpxor	%ymm\c2, %ymm\b2, %ymm\b2
	vpslld	$\bits, %ymm\b, %ymm11
	vpsrld	$(32 - \bits), %ymm\b, %ymm\b
	vpor	%ymm11, %ymm\b, %ymm\b
	vpslld	$\bits, %ymm\b2, %ymm11
	vpsrld	$(32 - \bits), %ymm\b2, %ymm\b2
	vpor	%ymm11, %ymm\b2, %ymm\b2
.endm

// h = (h + block + 2^128) r mod 2^130 - 5 as in poly1305_block(), if the block at `offset` is among the `bytes` that a
// double round hashes: d0 = h0 r0 + h1 s1, d1 = h0 r1 + h1 r0 + h2 s1, d2 = h2 r0.
.macro hash piece, offset, bytes
	.if \offset < \bytes
	.if \piece == 1
	addq	\offset(TEXT), H0
	adcq	8+\offset(TEXT), H1
	adcq	$1, H2
	mulxq	R0, LO, HI
	mulxq	R1, D1, D1_HI
	movq	H1, H0
	.elseif \piece == 2
	mulxq	R0, T, T_HI
	addq	T, D1
	adcq	T_HI, D1_HI
	mulxq	S1, H0, H1
	movq	H2, D2
	imulq	R0, D2
	imulq	S1, H2
	.elseif \piece == 3
	addq	LO, H0
	adcq	HI, H1
	addq	H2, D1
	adcq	$0, D1_HI
	addq	D1, H1
	adcq	D1_HI, D2
	.elseif \piece == 4
	movq	D2, H2
	andq	$3, H2
	shrq	$2, D2
	leaq	(D2, D2, 4), D2
	addq	D2, H0
	adcq	$0, H1
	adcq	$0, H2
	.endif
	.endif
.endm

// Two quarter rounds, and the hash of the block at `offset`.
.macro quarter_rounds a, b, c, d, a2, b2, c2, d2, offset, bytes, out, in
	add_xor_shuffle \a, \b, \d, \a2, \b2, \d2, rotate_16
	hash	1, \offset, \bytes
	add_xor_shift \c, \d, \b, \c2, \d2, \b2, 12, \out, \in
	hash	2, \offset, \bytes
	add_xor_shuffle \a, \b, \d, \a2, \b2, \d2, rotate_8
	hash	3, \offset, \bytes
	add_xor_shift \c, \d, \b, \c2, \d2, \b2, 7
	hash	4, \offset, \bytes
.endm

.macro columns_double_round bytes
	quarter_rounds 0, 4, 8, 12,  1, 5, 9, 13,  0, \bytes
	quarter_rounds 3, 7, 8, 15,  2, 6, 10, 14,  16, \bytes, 8, 11
	quarter_rounds 0, 5, 10, 15,  1, 6, 8, 12,  32, \bytes
	quarter_rounds 2, 7, 8, 13,  3, 4, 9, 14,  48, \bytes, 11, 8
.endm

// The same steps on a set of rows.
.macro row_shuffle a, b, d, shuffle
	vpaddd	%ymm\b, %ymm\a, %ymm\a
	vpxor	%ymm\a, %ymm\d, %ymm\d
	vpshufb	\shuffle(%rip), %ymm\d, %ymm\d
.endm

.macro row_shift c, d, b, bits, t
	vpaddd	%ymm\d, %ymm\c, %ymm\c
	vpxor	%ymm\c, %ymm\b, %ymm\b
	vpslld	$\bits, %ymm\b, %ymm\t
	vpsrld	$(32 - \bits), %ymm\b, %ymm\b
	vpor	%ymm\t, %ymm\b, %ymm\b
.endm

// Columns become diagonals where the rows a, c, d turn by 3, 1, 2 words, and columns again by 1, 3, 2. (Not b, which
// is the last to be ready.)
.macro row_turn a, c, d, by_a, by_c
	vpshufd	$\by_a, %ymm\a, %ymm\a
	vpshufd	$0x4e, %ymm\d, %ymm\d
	vpshufd	$\by_c, %ymm\c, %ymm\c
.endm

// Of all sets.
.macro rows_shuffle sets, shuffle
	row_shuffle 0, 1, 3, \shuffle
	.if \sets > 1
	row_shuffle 4, 5, 7, \shuffle
	.endif
	.if \sets > 2
	row_shuffle 8, 9, 11, \shuffle
	.endif
.endm

.macro rows_shift sets, bits
	row_shift 2, 3, 1, \bits, 12
	.if \sets > 1
	row_shift 6, 7, 5, \bits, 13
	.endif
	.if \sets > 2
	row_shift 10, 11, 9, \bits, 14
	.endif
.endm

.macro rows_turn sets, by_a, by_c
	row_turn 0, 2, 3, \by_a, \by_c
	.if \sets > 1
	row_turn 4, 6, 7, \by_a, \by_c
	.endif
	.if \sets > 2
	row_turn 8, 10, 11, \by_a, \by_c
	.endif
.endm

// Four quarter rounds of each block, and the hash of the blocks at `offset` and `offset2`.
.macro rows_round sets, by_a, by_c, offset, offset2, bytes
	rows_shuffle \sets, rotate_16
	hash	1, \offset, \bytes
	hash	2, \offset, \bytes
	rows_shift \sets, 12
	hash	3, \offset, \bytes
	hash	4, \offset, \bytes
	rows_shuffle \sets, rotate_8
	hash	1, \offset2, \bytes
	hash	2, \offset2, \bytes
	rows_shift \sets, 7
	hash	3, \offset2, \bytes
	hash	4, \offset2, \bytes
	rows_turn \sets, \by_a, \by_c
.endm

.macro rows_double_round sets, bytes
	rows_round \sets, 0x93, 0x39, 0, 16, \bytes
	rows_round \sets, 0x39, 0x93, 32, 48, \bytes
.endm

// `sets`: of rows; 0 for columns.
.macro double_round sets, bytes
	.if \sets == 0
	columns_double_round \bytes
	.else
	rows_double_round \sets, \bytes
	.endif
.endm

// A function for `sets` of rows, or columns, that hashes `bytes` of text in each of its first double rounds.
.macro function name, sets, bytes
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 5
\name:
	.cfi_startproc
	_CET_ENDBR
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.if \sets == 0 || \i < 4 * \sets
	vmovdqa	32*\i(FROM), %ymm\i
	.endif
	.endr
	.if \sets == 0
	vmovdqa	%ymm11, 32*11(TO)
	.endif
	testl	HASHED, HASHED
	jz	2f
	.cfi_remember_state
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	.cfi_offset %rbx, -24
	.cfi_offset %r12, -32
	.cfi_offset %r13, -40
	.cfi_offset %r14, -48
	.cfi_offset %r15, -56
	pushq	%rcx
	movl	HASHED, ROUNDS
	movq	0(POLY), H0
	movq	8(POLY), H1
	movq	16(POLY), H2
	.p2align 5
1:
	double_round \sets, \bytes
	addq	$\bytes, TEXT
	decl	ROUNDS
	jnz	1b
	movq	H0, 0(POLY)
	movq	H1, 8(POLY)
	movq	H2, 16(POLY)
	popq	%rcx
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	.cfi_restore_state
2:
	testl	PLAIN, PLAIN
	jz	4f
	.p2align 5
3:
	double_round \sets, 0
	decl	PLAIN
	jnz	3b
4:
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.if (\sets == 0 && \i != 11) || \i < 4 * \sets
	vmovdqa	%ymm\i, 32*\i(TO)
	.endif
	.endr
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	\name, . - \name
.endm

	.text
	function weft_chacha20_avx2_columns_hash3, 0, 48
	function weft_chacha20_avx2_columns_hash4, 0, 64
	function weft_chacha20_avx2_rows1_hash3, 1, 48
	function weft_chacha20_avx2_rows2_hash3, 2, 48
	function weft_chacha20_avx2_rows3_hash3, 3, 48

	.section .rodata
	.p2align 5
rotate_16:
	.rept 2
	.byte	2, 3, 0, 1,  6, 7, 4, 5,  10, 11, 8, 9,  14, 15, 12, 13
	.endr
rotate_8:
	.rept 2
	.byte	3, 0, 1, 2,  7, 4, 5, 6,  11, 8, 9, 10,  15, 12, 13, 14
	.endr

#endif  // __x86_64__

	.section .note.GNU-stack, "", %progbits
