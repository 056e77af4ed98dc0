#pragma once
// A blocking socket that sends exactly the bytes it is told to: for what no proper client does.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace slipway::net::testing {

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // Longer than anything but a fault takes: a test fails instead of hanging.
    const timeval patience{60, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot connect");
  }

  // False when the peer has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(std::size_t(sent));
    }
    return true;
  }
  // Until `end` was seen, or the connection ended. What came after `end` is kept for the next call.
  std::string receive_until(std::string_view end) {
    for (;;) {
      if (const auto at = pending_.find(end); at != std::string::npos) {
        std::string result = pending_.substr(0, at + end.size());
        pending_.erase(0, at + end.size());
        return result;
      }
      if (!receive()) return std::exchange(pending_, {});
    }
  }
  std::string receive_all() {
    while (receive()) {
    }
    return std::exchange(pending_, {});
  }
  // One answer with a Content-Length.
  std::string receive_answer() {
    std::string head = receive_until("\r\n\r\n");
    const auto at = head.find("Content-Length: ");
    if (at == std::string::npos) return head;
    const std::size_t length = std::stoul(head.substr(at + 16));
    while (pending_.size() < length && receive()) {
    }
    std::string body = pending_.substr(0, length);
    pending_.erase(0, length);
    return head + body;
  }
  void end_sending() { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_.reset(); }
  int fd() const { return socket_.get(); }

 private:
  bool receive() {
    char bytes[16384];
    ssize_t count;
    // With a timeout it is interrupted by whatever stops and continues the process.
    while ((count = ::recv(socket_.get(), bytes, sizeof bytes, 0)) < 0 && errno == EINTR) {
    }
    if (count > 0) pending_.append(bytes, std::size_t(count));
    if (count < 0 && errno == EAGAIN) throw std::runtime_error("the server says nothing");
    return count > 0;
  }

  base::UniqueFd socket_;
  std::string pending_;
};

// A port of 127.0.0.1 where nobody listens, and nobody can while this lives.
class RefusingPort {
 public:
  RefusingPort() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("cannot bind");
    number_ = ntohs(address.sin_port);
  }
  std::string str() const { return std::to_string(number_); }
  std::uint16_t number() const { return number_; }

 private:
  base::UniqueFd socket_;
  std::uint16_t number_ = 0;
};

}  // namespace slipway::net::testing
