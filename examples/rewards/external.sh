# SPDX-License-Identifier: Apache-2.0
# Rewards what gzip cannot compress: the bytes that it needs for a sample.
while read -r word rows columns; do
  for row in $(seq "$rows"); do read -r context; done
  for row in $(seq "$rows"); do head -c $((4 * columns)) | gzip | wc -c; done
  echo end
done
