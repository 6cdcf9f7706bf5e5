/*
 * The floor: a UDP server that sets the QR bit and sends each packet back, in batches of 64. It does no DNS work at
 * all, so what it costs is what the kernel charges for a packet in and a packet out.
 *   echo PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { batch = 64, room = 2048, socket_buffer = 4 << 20 };

static uint8_t packets[batch][room];
static struct sockaddr_in6 from[batch];
static struct iovec vectors[batch];
static struct mmsghdr messages[batch];

int main(int argc, char **argv) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = socket_buffer;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0)};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (bind(fd, (struct sockaddr *)&at, sizeof at)) {
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
      vectors[i].iov_len = room;
      messages[i].msg_hdr.msg_namelen = sizeof from[i];
    }
    int got = recvmmsg(fd, messages, batch, MSG_WAITFORONE, NULL);
    for (int i = 0; i < got; i++) {
      vectors[i].iov_len = messages[i].msg_len;
      packets[i][2] |= 0x80;
    }
    for (int sent = 0; sent < got;) {
      int now = sendmmsg(fd, messages + sent, got - sent, 0);
      sent += now > 0 ? now : 1;
    }
  }
}
