# SPDX-License-Identifier: Apache-2.0
import array, sys

answers, sys.stdout = sys.stdout, sys.stderr   # what a library prints must not look like an answer

def reward(sample, context):                   # one number, higher is better
    return -abs(sample[0] - float(context))

while head := sys.stdin.buffer.readline():
    rows, columns = map(int, head.split()[1:])
    contexts = [sys.stdin.buffer.readline().decode().rstrip("\n") for _ in range(rows)]
    values = array.array("f", sys.stdin.buffer.read(4 * rows * columns))
    for row, context in enumerate(contexts):
        print(reward(values[row * columns : (row + 1) * columns], context), file=answers)
    print("end", file=answers, flush=True)
