/*
 * A backend that costs as little as one can: answers every A query with one A record, any other query with an empty
 * answer, in batches of 64. Echoes id, RD, question and an OPT.
 *   answer PORT TTL COUNTER
 * COUNTER is a file of 8 bytes that holds the number of queries answered so far.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { batch = 64, room = 2048, socket_buffer = 4 << 20 };

static uint8_t packets[batch][room];
static struct sockaddr_in6 from[batch];
static struct iovec vectors[batch];
static struct mmsghdr messages[batch], replies[batch];

/* Turns the query of `length` bytes into its answer in place; gives the answer's length, 0 for silence. */
static int answer(uint8_t *p, int length, uint32_t ttl) {
  if (length < 17 || (p[2] & 0x80) || p[4] || p[5] != 1) return 0;
  int at = 12;
  while (at < length && p[at]) at += p[at] + 1;
  at += 5;
  if (at > length) return 0;
  int is_a = p[at - 4] == 0 && p[at - 3] == 1;
  int has_opt = length >= at + 11 && p[11] == 1 && p[at] == 0 && p[at + 1] == 0 && p[at + 2] == 41;
  uint8_t do_bit = has_opt ? p[at + 7] & 0x80 : 0;
  p[2] = 0x80 | (p[2] & 0x79);
  p[3] = 0x80;
  memset(p + 6, 0, 6);
  p[7] = is_a;
  p[11] = has_opt;
  if (is_a) {
    uint8_t record[16] = {0xc0, 12, 0, 1, 0, 1, ttl >> 24, ttl >> 16, ttl >> 8, ttl, 0, 4, 192, 0, 2, 1};
    memcpy(p + at, record, 16);
    at += 16;
  }
  if (has_opt) {
    uint8_t opt[11] = {0, 0, 41, 0x04, 0xd0, 0, 0, do_bit, 0, 0, 0};
    memcpy(p + at, opt, 11);
    at += 11;
  }
  return at;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: answer PORT TTL COUNTER\n");
    return 64;
  }
  uint32_t ttl = strtoul(argv[2], NULL, 10);
  int file = open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || ftruncate(file, 8)) {
    perror(argv[3]);
    return 1;
  }
  volatile uint64_t *counter = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = socket_buffer;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (counter == MAP_FAILED || bind(fd, (struct sockaddr *)&at, sizeof at)) {
    perror("bind");
    return 1;
  }
  for (int i = 0; i < batch; i++) {
    vectors[i].iov_base = packets[i];
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &from[i];
  }
  for (;;) {
    for (int i = 0; i < batch; i++) {
      vectors[i].iov_len = room - 64;
      messages[i].msg_hdr.msg_namelen = sizeof from[i];
    }
    int got = recvmmsg(fd, messages, batch, MSG_WAITFORONE, NULL), ready = 0;
    for (int i = 0; i < got; i++) {
      int length = answer(packets[i], messages[i].msg_len, ttl);
      if (!length) continue;
      vectors[i].iov_len = length;
      replies[ready++] = messages[i];
    }
    for (int sent = 0; sent < ready;) {
      int now = sendmmsg(fd, replies + sent, ready - sent, 0);
      sent += now > 0 ? now : 1;
    }
    *counter += ready;
  }
}
