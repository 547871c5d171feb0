//! Invitations as QR codes: for another phone's camera, or for a page.

use qrcode::{
    EcLevel, QrCode,
    render::{svg, unicode::Dense1x2},
};

use super::Invitation;

/// Why an invitation is no QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QrError {
    /// It has more characters than fit. Invitations for one identity far from the group's creator can be so long.
    #[error(
        "an invitation of {characters} characters is too long for a QR code, which holds {MAX_CHARACTERS}; send it as text, or \
         invite by link"
    )]
    TooLong {
        /// So many.
        characters: usize,
    },
}

/// What the largest QR code holds, of characters that the text in upper case has, at the lowest error correction.
const MAX_CHARACTERS: usize = 4296;
/// Pixels of a module in an SVG that is shown as it is: about 8 cm for a link, on most screens.
const MODULE: u32 = 4;
/// Black on white whatever colours the terminal has, since many readers do not take a negative.
const INK: &str = "\x1b[38;5;16;48;5;231m";
const PLAIN: &str = "\x1b[0m";

impl Invitation {
    /// The invitation as a QR code in SVG, dark on light with its quiet zone. It scales without loss. What a reader gets
    /// from it is the text in upper case, which joins as well.
    ///
    /// Whoever can see the code has the invitation.
    ///
    /// # Errors
    /// [`QrError::TooLong`].
    pub fn qr_svg(&self) -> Result<String, QrError> {
        Ok(self.qr_code()?.render::<svg::Color<'_>>().module_dimensions(MODULE, MODULE).build())
    }

    /// The invitation as a QR code for a terminal: lines of half blocks, black on white by ANSI colours, with the quiet
    /// zone. A link makes about 75 columns and 38 lines; more is needed for others, and a wrapped code cannot be read.
    ///
    /// Whoever can see the code has the invitation.
    ///
    /// # Errors
    /// [`QrError::TooLong`].
    pub fn qr_text(&self) -> Result<String, QrError> {
        let blocks = self.qr_code()?.render::<Dense1x2>().module_dimensions(1, 1).build();
        Ok(blocks.lines().map(|line| format!("{INK}{line}{PLAIN}\n")).collect())
    }

    fn qr_code(&self) -> Result<QrCode, QrError> {
        // In upper case the text is of QR's alphanumeric set: five and a half bits a character instead of eight.
        let text = self.to_string().to_uppercase();
        // Least error correction: a screen does not get dirty, and larger modules are read sooner.
        QrCode::with_error_correction_level(&text, EcLevel::L)
            .map_err(|_| QrError::TooLong { characters: text.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::SecretKey,
        group::{Access, Admission, Way},
        ids::GraphId,
        record::{Genesis, GraphSecret, NodeAddr, Role},
        time::Timestamp,
    };

    fn sample(nodes: u8, chain: Option<usize>) -> Invitation {
        let issuer = SecretKey::from_bytes(&[1; 32]);
        let genesis = Genesis::new(issuer.peer(), [3; 16]);
        let at = |n: u8| {
            let node = SecretKey::from_bytes(&[n + 1; 32]).node();
            NodeAddr::at(node, ["192.168.178.20:4000".parse().unwrap(), "10.0.0.7:4000".parse().unwrap()])
        };
        let access =
            Access { secret: GraphSecret::from_bytes([0x5a; 32]), nodes: (0..nodes).map(at).collect() };
        let group = chain.map_or(GraphId::from_bytes([2; 32]), |_| genesis.id());
        let way = match chain {
            Some(bytes) => Admission { access, genesis, chain: vec![vec![9; bytes].into()] }
                .seal(&group, issuer.peer(), [4; 32])
                .unwrap(),
            None => Way::Link { key: [7; 32], uses: 2, access },
        };
        let who = (issuer.peer(), "Ada".to_owned());
        let valid = (Timestamp(1000), Some(Timestamp(9000)));
        Invitation::unsigned(group, "Book club".into(), who, Role::Member, valid, way).signed(&issuer)
    }

    /// What a camera would read: `dark` tells the colour of each module.
    fn read(width: usize, dark: impl Fn(usize, usize) -> bool) -> String {
        const SCALE: usize = 4;
        let side = width * SCALE;
        let grey = |x, y| if dark(x / SCALE, y / SCALE) { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, grey);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "one code is seen");
        grids[0].decode().unwrap().1
    }

    fn read_text(shown: &str) -> String {
        let lines: Vec<Vec<char>> = shown
            .lines()
            .map(|line| {
                let inked = line.strip_prefix(INK).and_then(|line| line.strip_suffix(PLAIN));
                inked.expect("each line has its own colours").chars().collect()
            })
            .collect();
        read(lines[0].len(), |x, y| {
            lines.get(y / 2).is_some_and(|line| match line[x] {
                '█' => true,
                '▀' => y % 2 == 0,
                '▄' => y % 2 == 1,
                ' ' => false,
                other => panic!("{other:?} in a code"),
            })
        })
    }

    /// Reads the rectangles that this renderer writes: `M4 8h4v4H4V8`.
    fn read_svg(svg: &str) -> String {
        let number = |text: &str| -> usize { text.parse().unwrap() };
        let side = number(svg.split("width=\"").nth(1).unwrap().split('"').next().unwrap());
        let path = svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let module = MODULE as usize;
        let mut dark = vec![false; side * side];
        for rectangle in path.split('M').skip(1) {
            let (left, rest) = rectangle.split_once(' ').unwrap();
            let (top, rest) = rest.split_once('h').unwrap();
            let width = number(rest.split_once('v').unwrap().0);
            for x in number(left)..number(left) + width {
                dark[number(top) * side + x] = true;
            }
        }
        assert!(svg.contains("fill=\"#fff\"") && svg.contains("fill=\"#000\""));
        read(side / module, |x, y| dark[y * module * side + x * module])
    }

    #[test]
    fn a_camera_reads_the_invitation_from_either_form() {
        for (nodes, chain) in [(1, None), (0, None), (6, None), (3, Some(900))] {
            let invitation = sample(nodes, chain);
            for read in [read_text(&invitation.qr_text().unwrap()), read_svg(&invitation.qr_svg().unwrap())] {
                assert_eq!(read, invitation.to_string().to_uppercase());
                assert_eq!(read.parse(), Ok(invitation.clone()));
            }
        }
    }

    #[test]
    fn a_link_fits_a_terminal_with_its_quiet_zone() {
        let shown = sample(1, None).qr_text().unwrap();
        let widths: Vec<usize> = shown.lines().map(|l| l.chars().count() - INK.len() - PLAIN.len()).collect();
        assert!(widths.iter().all(|width| *width == widths[0] && *width <= 80), "{widths:?}");
        assert!(widths.len() <= 40, "{} lines", widths.len());
        let blank = |line: &str| line.chars().all(|c| !"█▀▄".contains(c));
        assert!(shown.lines().take(2).all(blank), "four modules of quiet above");
        assert!(shown.lines().all(|line| blank(&line[INK.len()..INK.len() + 4])), "and at the left");
    }

    #[test]
    fn what_is_too_long_says_so() {
        let long = sample(3, Some(4000));
        let characters = long.to_string().len();
        assert_eq!(long.qr_svg(), Err(QrError::TooLong { characters }));
        assert!(long.qr_text().unwrap_err().to_string().contains("invite by link"));
    }
}
