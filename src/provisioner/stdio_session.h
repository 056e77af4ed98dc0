#pragma once
// One session with a provisioner's process (stdio_provisioner.h).

#include <memory>

#include "provisioner/stdio_provisioner.h"

namespace slipway::provisioner {

class StdioSession final : public Session {
 public:
  StdioSession(std::shared_ptr<const StdioOptions> options, SessionEvents events);
  ~StdioSession() override;
  void send(Request request) override;
  void pause(bool paused) override;
  void close(bool force) override;

 private:
  class Loop;
  std::shared_ptr<Loop> loop_;
};

}  // namespace slipway::provisioner
