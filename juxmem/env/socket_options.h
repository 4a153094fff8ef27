// The ZeroMQ options that all sockets share.
#pragma once

#include <string_view>
#include <zmq.hpp>

#include "juxmem/env/real_env.h"

namespace juxmem {

void set_common_options(zmq::socket_t& socket, const RealEnvOptions& options);

// Called before the socket is bound or connected to `address`: IPv6 only where it is written so, because an IPv6 socket
// names IPv4 addresses in a form that IPv4 peers cannot dial.
void set_address_family(zmq::socket_t& socket, std::string_view address);

// Called before the socket is connected to `address`: by tcp it shows the key and wants to see the grid's.
void set_key(zmq::socket_t& socket, std::string_view address, const RealEnvOptions& options);
// Called before the socket is bound to `address`: by tcp only those come in whose keys are admitted. It stays so for all addresses bound
// later, so those of tcp come last.
void set_lock(zmq::socket_t& socket, std::string_view address, const RealEnvOptions& options);

}  // namespace juxmem
