//! What the kernel knows of a TCP connection (`TCP_INFO`, tcp(7)).
//!
//! The structure has grown with the kernel and libc's copy of it lags behind, so its fields are read
//! by their offsets in `linux/tcp.h`, which never change; a field that this kernel does not have
//! reads as 0.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

/// Figures of one TCP connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TcpInfo {
    /// Segments sent and not acknowledged.
    pub unacked_segments: u32,
    /// Bytes the other side has acknowledged since the connection began.
    pub acked_bytes: u64,
    /// Bytes written and not sent yet.
    pub unsent_bytes: u32,
    /// The round trip, smoothed, in microseconds.
    pub rtt_us: u32,
    /// Bytes per second that arrived of what was sent last, over about a round trip.
    pub delivery_bytes_per_s: u64,
    /// Microseconds in which there was something to send or to be acknowledged.
    pub busy_us: u64,
    /// Of these, microseconds in which the receive window of the other side was what held it back.
    pub window_limited_us: u64,
}

impl TcpInfo {
    /// Whether the other side has still to take something that was written for it.
    pub fn is_waiting_for_client(&self) -> bool {
        self.unacked_segments > 0 || self.unsent_bytes > 0
    }
}

/// Room for the structure of kernels to come.
const INFO_BYTES: usize = 512;

/// Asks the kernel about a connected TCP socket.
///
/// # Errors
/// What `getsockopt` says, as for a socket that is not TCP.
pub fn tcp_info(socket: impl AsFd) -> io::Result<TcpInfo> {
    let mut info = [0_u8; INFO_BYTES];
    let mut length = INFO_BYTES as libc::socklen_t;
    // SAFETY: the descriptor is open while it is borrowed; the kernel writes at most `length` bytes
    // to `info`, which is that long, and sets `length`; any bytes are valid there.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(TcpInfo {
        unacked_segments: u32::from_ne_bytes(field(&info, 24)),
        acked_bytes: u64::from_ne_bytes(field(&info, 120)),
        unsent_bytes: u32::from_ne_bytes(field(&info, 144)),
        rtt_us: u32::from_ne_bytes(field(&info, 68)),
        delivery_bytes_per_s: u64::from_ne_bytes(field(&info, 160)),
        busy_us: u64::from_ne_bytes(field(&info, 168)),
        window_limited_us: u64::from_ne_bytes(field(&info, 176)),
    })
}

/// The bytes at `offset`.
fn field<const N: usize>(info: &[u8; INFO_BYTES], offset: usize) -> [u8; N] {
    std::array::from_fn(|at| info[offset + at])
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, TcpListener, TcpStream},
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn acknowledged_bytes_are_counted() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut receiver, _) = listener.accept().unwrap();
        assert_eq!(tcp_info(&sender).unwrap().acked_bytes, 1, "the SYN counts");
        sender.write_all(&[7; 1000]).unwrap();
        receiver.read_exact(&mut [0; 1000]).unwrap();
        let acked = (0..1_000_000).find_map(|_| {
            let info = tcp_info(&sender).unwrap();
            (info.acked_bytes == 1001).then_some(info)
        });
        let info = acked.expect("loopback acknowledges");
        assert!(!info.is_waiting_for_client(), "{info:?}");
    }

    #[test]
    fn what_nobody_reads_stays_outstanding() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_receiver, _) = listener.accept().unwrap();
        sender.set_nonblocking(true).unwrap();
        while sender.write(&[0; 1 << 16]).is_ok() {}
        assert!(tcp_info(&sender).unwrap().is_waiting_for_client());
    }

    /// A client that reads nothing for a while keeps its window closed; both the time and the blame
    /// must show, which they do only at the right offsets.
    #[test]
    fn rates_and_what_held_them_back_are_plausible() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut receiver, _) = listener.accept().unwrap();
        let before = tcp_info(&sender).unwrap();
        assert_eq!((before.busy_us, before.window_limited_us), (0, 0));
        sender.set_nonblocking(true).unwrap();
        let began = Instant::now();
        let mut written_bytes = 0;
        while let Ok(bytes) = sender.write(&[0; 1 << 16]) {
            written_bytes += bytes;
        }
        let half = Duration::from_millis(50);
        let stuck = (0..100_000_000).find_map(|_| {
            let info = tcp_info(&sender).unwrap();
            (info.window_limited_us >= half.as_micros() as u64).then_some(info)
        });
        let lasted_us = began.elapsed().as_micros() as u64;
        let stuck = stuck.expect("a closed window is blamed");
        // The kernel counts in its ticks, 10 ms at most.
        assert!(stuck.busy_us <= lasted_us + 20_000, "{stuck:?} {lasted_us}");
        assert!(stuck.busy_us >= stuck.window_limited_us, "{stuck:?}");
        receiver.read_exact(&mut vec![0; written_bytes]).unwrap();
        let info = tcp_info(&sender).unwrap();
        assert!((1..1_000_000).contains(&info.rtt_us), "{info:?}");
        // Between 10 kB/s and 10 TB/s: a time or a count would be neither.
        let plausible = 10_000..10_000_000_000_000;
        assert!(plausible.contains(&info.delivery_bytes_per_s), "{info:?}");
    }

    #[test]
    fn a_socket_that_is_not_tcp_is_an_error() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(tcp_info(&socket).is_err());
    }
}
