# SPDX-License-Identifier: Apache-2.0
# Functions for stack_accesses, whose output must be stack.expected.
# On entry %rsp is 8 above a multiple of 16.
	.text
	.type	array_in_red_zone, @function
array_in_red_zone:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rbx
	leaq	-64(%rsp), %rbx
	movq	%rbx, %rax
.L2:
	vmovdqa	(%rdi), %xmm0
	vmovdqu8	%zmm1, (%rbx)
# 8 above a multiple of 16, as g++ 12 makes it
	vmovdqa	%xmm0, (%rax)
	addq	$16, %rax
	cmpq	%rsp, %rax
	jne	.L2
	popq	%rbx
	popq	%rbp
	ret
	.type	array_at_a_boundary, @function
array_at_a_boundary:
	pushq	%rbx
	leaq	-64(%rsp), %rbx
.L4:
	vmovdqa	%xmm0, (%rbx)
	addq	$16, %rbx
	cmpq	%rsp, %rbx
	jne	.L4
	popq	%rbx
	ret
	.type	register_on_an_unaligned_stack, @function
register_on_an_unaligned_stack:
	subq	$72, %rsp
	vmovaps	%xmm0, 16(%rsp)
# a multiple of 16, and of 32 only by chance
	vmovaps	%ymm0, 32(%rsp)
	call	outside
	addq	$72, %rsp
	ret
	.type	register_on_an_aligned_stack, @function
register_on_an_aligned_stack:
	leaq	8(%rsp), %r10
	andq	$-64, %rsp
	pushq	-8(%r10)
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$112, %rsp
	vmovaps	%zmm0, -112(%rbp)
	vmovdqa64	%zmm0, 64(%rsp)
	leave
	leaq	-8(%r10), %rsp
	ret
	.type	spilled_address, @function
spilled_address:
	subq	$56, %rsp
	leaq	24(%rsp), %rax
	movq	%rax, 8(%rsp)
	call	outside
	movq	8(%rsp), %rcx
# all but the unaligned move are 8 above a multiple of 16
	vmovaps	%xmm0, (%rcx,%rdx)
	movdqu	(%rcx), %xmm1
	paddd	(%rcx), %xmm1
	addq	$56, %rsp
	ret
