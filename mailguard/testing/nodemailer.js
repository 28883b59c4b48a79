// Sends the letters on standard input (JSON) with nodemailer, over one connection; prints what came
// of each as a line of JSON.
'use strict';

const nodemailer = require('nodemailer');

async function main() {
    const { port, letters } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
    const transport = nodemailer.createTransport({
        host: '127.0.0.1',
        port,
        name: 'client.example',
        pool: true,
        maxConnections: 1,
        maxMessages: Infinity,
        ignoreTLS: true,
    });
    for (const letter of letters) {
        let said;
        try {
            const info = await transport.sendMail({
                envelope: {
                    from: letter.sender || false,
                    to: [letter.to],
                    dsn: letter.dsn || undefined,
                    use8BitMime: letter.eight_bit,
                },
                raw: Buffer.from(letter.raw, 'base64'),
            });
            said = info.response;
        } catch (error) {
            said = error.response || String(error);
        }
        console.log(JSON.stringify({ name: letter.name, said }));
    }
    transport.close();
}

main();
