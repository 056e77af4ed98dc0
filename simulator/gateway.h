#pragma once
// From a request to its answer: finds the route, lets faults strike, asks for credentials, counts quotas, answers in
// the form that the client asked for, and writes down what happened.

#include "net/server.h"
#include "simulator/router.h"
#include "simulator/world.h"

namespace slipway::simulator {

class Gateway {
 public:
  // Both must outlive the gateway, and the gateway the server that it handles for.
  Gateway(net::IoContext& io, World& world);

  net::Awaitable<void> handle(net::Exchange& exchange);
  // Calls that wait or hang end now.
  void stop();

 private:
  struct Outcome {
    net::Response response;
    bool effect = false;  // the handler ran to its end
  };

  net::Awaitable<void> answer(net::Exchange& exchange, const Route& route, Call& call);
  Outcome execute(const Route& route, Call& call);
  Outcome refuse(const Route& route, const Failure& failure) const;
  net::Awaitable<void> answer_waiting(net::Exchange& exchange, const Route& route, Call& call);
  net::Awaitable<void> send(net::Exchange& exchange, Outcome outcome, const FaultRule* fault);
  net::Awaitable<void> pause(double seconds);
  net::Response render(const Route& route, const Call& call, Answer answer) const;
  void check_access(const Route& route, Call& call) const;
  void note(const Route& route, const Call& call, int status);

  World& world_;
  Router router_;
  net::Signal changed_;  // something may be there for those who wait
  net::Signal stopping_;
  bool stopped_ = false;
  std::uint64_t numbers_ = 0;
};

}  // namespace slipway::simulator
