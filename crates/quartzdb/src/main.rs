//! QuartzDB: key-value records and vectors in one store, one commit, one API.

mod check;
mod cli;
mod server;

/// A request makes some thirty small allocations that another thread frees: an eighth of the time of a
/// durable write with the system's allocator (decision 0008).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
