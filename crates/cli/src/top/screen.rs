//! The terminal: taken over, drawn on, given back.
//!
//! Whatever ends the command, a panic included, the terminal has to be as it was.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use tokio::sync::mpsc;

use super::{
    model::{Input, Key, Model},
    view::{Palette, View},
};

/// A terminal that is ours for a while.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: DefaultTerminal,
    keyboard: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

/// How long the end of the thread that reads the keyboard is waited for.
const KEYBOARD_ENDS: Duration = Duration::from_millis(500);
/// How long the keyboard is waited for before it is looked whether all is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Screen {
    /// Takes the terminal over; keys go to `inputs`.
    pub(super) fn open(inputs: mpsc::Sender<Input>) -> io::Result<Self> {
        // It sets a panic hook, too, that gives the terminal back. So does dropping a screen.
        let mut screen = Self {
            terminal: ratatui::try_init()?,
            keyboard: None,
            is_over: Arc::new(AtomicBool::new(false)),
        };
        let is_over = Arc::clone(&screen.is_over);
        let keyboard = thread::Builder::new()
            .name("keyboard".to_owned())
            .spawn(move || read_keys(&inputs, &is_over))?;
        screen.keyboard = Some(keyboard);
        Ok(screen)
    }

    /// Shows the model.
    pub(super) fn draw(&mut self, model: &Model, palette: Palette) -> io::Result<()> {
        let now = Instant::now();
        self.terminal.draw(|frame| {
            let view = View {
                model,
                now,
                palette,
            };
            frame.render_widget(view, frame.area());
        })?;
        Ok(())
    }

    /// Gives the terminal back.
    pub(super) fn close(self) {
        drop(self);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        if let Some(keyboard) = self.keyboard.take() {
            // Without a terminal it may never come back from reading: then it ends with the process.
            let begun = Instant::now();
            while !keyboard.is_finished() && begun.elapsed() < KEYBOARD_ENDS {
                thread::park_timeout(LOOK_EVERY / 10);
            }
        }
        // Nothing is left to be done if the terminal is gone.
        let _ = ratatui::try_restore();
    }
}

fn read_keys(inputs: &mpsc::Sender<Input>, is_over: &AtomicBool) {
    while !is_over.load(Relaxed) {
        let input = match event::poll(LOOK_EVERY) {
            Ok(false) => continue,
            Ok(true) => event::read().map_or(Some(Input::Gone), |event| input_of(&event)),
            Err(_) => Some(Input::Gone),
        };
        let Some(input) = input else { continue };
        let is_last = matches!(input, Input::Gone);
        // A view that does not keep up with a key that is held down misses some of it.
        let sent = inputs.try_send(input);
        if is_last || matches!(sent, Err(mpsc::error::TrySendError::Closed(_))) {
            return;
        }
    }
}

fn input_of(event: &Event) -> Option<Input> {
    match event {
        Event::Resize(..) => Some(Input::Resized),
        Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key).map(Input::Key),
        _ => None,
    }
}

fn key_of(key: &KeyEvent) -> Option<Key> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if is_control => Key::Interrupt,
        KeyCode::Char(character) if !is_control => Key::Typed(character),
        KeyCode::Backspace => Key::Back,
        KeyCode::Down => Key::Down,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Home => Key::Home,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::Up => Key::Up,
        _ => return None,
    })
}
