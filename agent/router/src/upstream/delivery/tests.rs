use super::*;
use std::mem::offset_of;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// For what is on its way.
const MOMENT: Duration = Duration::from_millis(10);

/// A connection that has borne a request of five bytes: the router's end, and the task's.
async fn used() -> (Counted, Arc<Sent>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (mut near, sent) = Counted::new(TcpStream::connect(address).await.unwrap());
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"first").await.unwrap();
    far.read_exact(&mut [0; 5]).await.unwrap();
    far.write_all(b"answer").await.unwrap();
    near.read_exact(&mut [0; 6]).await.unwrap();
    assert_eq!(sent.taken(), 5);
    (near, sent, far)
}

#[test]
fn the_kernel_tells_the_bytes_in_the_last_word() {
    let offset = offset_of!(libc::tcp_info, tcpi_bytes_acked);
    assert_eq!(offset + size_of::<u64>(), size_of::<Info>());
}

#[tokio::test]
async fn nothing_is_sent_before_the_kernel_takes_it() {
    let (_near, sent, far) = used().await;
    drop(far);
    assert_eq!(sent.delivery_after(5), Delivery::Unsent);
    assert_eq!(sent.delivery_after(0), Delivery::Unknown);
}

#[tokio::test]
async fn what_comes_after_the_task_has_closed_is_undelivered() {
    let (mut near, sent, far) = used().await;
    drop(far);
    // It is taken: this end has yet to read that the other one has closed.
    near.write_all(b"second").await.unwrap();
    assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 0);
    assert_eq!(sent.delivery_after(5), Delivery::Undelivered);
    // That is no word on what came before.
    assert_eq!(sent.delivery_after(0), Delivery::Unknown);
}

#[tokio::test]
async fn a_write_that_fails_after_the_end_of_the_stream_tells_of_it() {
    let (mut near, sent, far) = used().await;
    drop(far);
    near.write_all(b"second").await.unwrap();
    let error = loop {
        match near.write_all(b" and its body").await {
            Ok(()) => tokio::time::sleep(MOMENT).await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(sent.delivery_after(5), Delivery::Undelivered);
}

#[tokio::test]
async fn the_end_of_the_stream_is_found_behind_what_nobody_has_read() {
    let (mut near, sent, mut far) = used().await;
    far.write_all(b"close_notify").await.unwrap();
    drop(far);
    near.write_all(b"second").await.unwrap();
    assert_eq!(sent.delivery_after(5), Delivery::Unknown);
    tokio::time::sleep(MOMENT).await;
    drop(near);
    assert_eq!(sent.delivery_after(5), Delivery::Undelivered);
}

#[tokio::test]
async fn what_the_task_has_read_before_it_closed_is_not_undelivered() {
    let (mut near, sent, mut far) = used().await;
    near.write_all(b"second").await.unwrap();
    far.read_exact(&mut [0; 6]).await.unwrap();
    drop(far);
    assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 0);
    drop(near);
    assert_eq!(sent.delivery_after(5), Delivery::Unknown);
}

/// Whether its bytes are acknowledged by then is a matter of luck.
#[tokio::test]
async fn a_reset_says_nothing_of_what_the_task_has_read() {
    for reads in [0, 3, 6] {
        let (mut near, sent, mut far) = used().await;
        near.write_all(b"second").await.unwrap();
        far.read_exact(&mut vec![0; reads]).await.unwrap();
        far.set_zero_linger().unwrap();
        drop(far);
        let error = near.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{reads}");
        // The kernel says now that the stream has ended.
        assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 0);
        drop(near);
        assert_eq!(sent.delivery_after(5), Delivery::Unknown, "{reads}");
    }
}
