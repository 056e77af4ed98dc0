#pragma once
// How one request is answered on its connection. For this room's .cpp files.

#include "net/connection.h"

namespace slipway::net {

class HttpStream;

class HttpExchange final : public Exchange {
 public:
  struct Terms {
    bool keep_alive;      // the connection may be used again after a whole answer
    bool chunks_allowed;  // the client speaks HTTP/1.1
  };
  HttpExchange(Connection& connection, Request request, Terms terms);
  ~HttpExchange() override;

  const Request& request() const override { return request_; }
  Awaitable<void> respond(Response response) override;
  Awaitable<std::unique_ptr<Stream>> start_stream(Response head) override;
  bool wants_websocket() const override;
  Awaitable<std::unique_ptr<WebSocket>> accept_websocket(std::optional<std::string> subprotocol) override;
  void abandon() override;
  bool answered() const override { return answered_; }
  bool peer_gone() const override { return connection_.peer_gone(); }

  // What the handler threw, or that it did not answer.
  Awaitable<void> fail(std::exception_ptr failure);
  // After the handler: waits until nothing of a stream uses the socket any more.
  Awaitable<void> settle();
  bool connection_reusable() const { return reusable_; }

 private:
  void begin_answer();

  Connection& connection_;
  Request request_;
  Terms terms_;
  bool answered_ = false;
  bool reusable_ = false;
  struct StreamState;
  std::shared_ptr<StreamState> stream_;
  friend class HttpStream;
};

}  // namespace slipway::net
