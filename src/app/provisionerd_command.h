#pragma once
// `slipway provisionerd`: a provisioner daemon in the foreground (docs/daemon.md).

namespace CLI {
class App;
}

namespace slipway::app {

void add_provisionerd_command(CLI::App& app);

}  // namespace slipway::app
